// The figures as Markdown tables. The chart shows no figure that is not in them.

/** Milliseconds as people read them. */
export function time(milliseconds) {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The words of one row. A crash leaves out what was not seen any more. */
export function words({ under, promoted, recovery, after, crash }, { cap }) {
  const none = crash ? '—' : '';
  const hangs = `hangs > ${cap / 1000} s`;
  return {
    typical: under ? (under.p50 === null ? hangs : time(under.p50)) : none,
    longest: under ? (under.max === null ? hangs : time(under.max)) : none,
    hanging: under ? `${Math.round((100 * under.unsettled) / under.calls)} %` : none,
    made: under ? `${Math.floor((100 * under.made) / under.wraps)} %` : none,
    promoted: promoted === undefined ? none : time(promoted),
    first: recovery ? (recovery.first === null ? `not in ${cap / 1000} s` : time(recovery.first)) : none,
    steady: recovery ? (recovery.steady === null ? `not in ${cap / 1000} s` : time(recovery.steady)) : none,
    wrong: after ? String(after.wrong) : none,
    stale: after ? String(after.stale) : none,
    memory: under ? `${under.memory.held.toFixed(1)} MiB` : none,
    unhandled: after ? String(after.unhandled) : none,
  };
}

const columns = {
  typical: 'half of the calls settle in',
  longest: 'all in',
  hanging: 'hang',
  made: '`wrap` gave its value',
  promoted: 'replica promoted after',
  first: 'back after',
  steady: 'steadily after',
  wrong: 'wrong',
  stale: 'stale',
  memory: 'memory grown by',
  unhandled: 'unhandled',
};

/** One table for each fault, under a heading for each topology. */
export function tables({ about, topologies, faults, results }) {
  const head = `One run: ${about.server}, Node ${about.node}, node-redis ${about.nodeRedis}, ${about.cores} cores (${about.cpu}). Calls have ${about.cap / 1000} s to settle in.`;
  const each = Object.entries(topologies).flatMap(([topology, { title, about: what }]) => {
    const its = faults.filter((fault) => fault.topology === topology);
    return its.length === 0 ? [] : [`### ${title}\n\n${what}\n`, ...its.map((fault) => table(about, fault, results))];
  });
  return `${head}\n\n${each.join('\n')}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function table(about, { name, title, about: what, topology }, results) {
  const rows = results.filter((result) => result.fault === name && result.topology === topology);
  const shown = Object.keys(columns).filter((column) => column !== 'promoted' || topology !== 'server');
  return [
    // With the topology in it, so that each heading can be linked to.
    `#### ${capital(topology === 'server' ? title : `${topology}: ${title}`)}\n`,
    `${capital(what)}.\n`,
    `| | ${shown.map((column) => columns[column]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(shown.length)}`,
    ...rows.map((row) => {
      const said = row.offered === false ? { typical: 'not offered' } : words(row, about);
      return `| ${[row.title, ...shown.map((column) => said[column] ?? '')].join(' | ')} |`;
    }),
    ...rows.filter(({ crash }) => crash).map(({ title, crash }) => `\n${title}: the process ended with \`${crash.replaceAll('`', "'")}\`.`),
    '',
  ].join('\n');
}

/** The page with what is between the markers of this name replaced. */
export function between(page, markdown, name = 'bench:faults') {
  const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [start, end] = [page.indexOf(from), page.indexOf(to)];
  if (start === -1 || end < start) throw new Error(`expected ${from} and ${to} in the page`);
  return `${page.slice(0, start + from.length)}\n\n${markdown.trim()}\n\n${page.slice(end)}`;
}
