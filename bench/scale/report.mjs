// docs/scale.md and its charts from bench/results/scale.json, and from nothing else.
import { drawings, modelDrawing } from './drawings.mjs';
import { modelTables, needed } from './model-tables.mjs';
import { tables } from './tables.mjs';

export const parts = ['keys', 'scans', 'clear', 'near', 'limits', 'hot', 'tags', 'connections'];

/** What stands between the markers of the page, by the name of the marker, and the SVGs by their names. */
export function report(results) {
  const texts = {};
  const charts = {};
  for (const part of parts) {
    const found = results[part];
    if (!found) texts[`scale:${part}`] = 'Not measured yet.';
    else texts[`scale:${part}`] = `${aboutOf(found.about)} ${tables[part](found)}`;
    if (found && drawings[part]) charts[part] = drawings[part](found);
  }
  const isWhole = needed.every((part) => results[part]);
  const model = isWhole ? modelTables(results) : {};
  const isTrial = needed.some((part) => results[part]?.about.trial);
  const warning = isTrial ? '**From trial figures.**\n\n' : '';
  for (const name of ['inputs', 'shards', 'near', 'sizes'])
    texts[`scale:model-${name}`] = isWhole ? `${warning}${model[name]}` : 'Not measured yet.';
  if (isWhole) charts.model = modelDrawing(results);
  return { texts, charts };
}

function aboutOf({ quick, trial, node, server, cpu, cores }) {
  const run = `Redis ${server}, Node ${node}, ${cores} cores (${cpu}).`;
  return trial ? `**Trial figures, of a ${quick ? '`--quick` run' : 'busy machine'}.** ${run}` : run;
}
