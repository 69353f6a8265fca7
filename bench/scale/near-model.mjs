// The near cache on paper: which reads it answers, what Redis has to remember and to push. Reads of a process are independent of each other,
// each key's at a constant rate. A key that a process has read is tracked until it is written, expires, or has to leave the table.

/**
 * @param groups keys that are read about as often: how many, and the share of all reads that each of them has; `written`: of all writes, if
 *   that is another
 * @param gets reads a second of all processes together
 * @param writes writes a second of all processes together
 * @param expiries how often a second an entry expires: 1 / time to live, or 0
 * @param max `near.max`: entries that each process keeps, the least recently used leaves first
 * @param tableMax `tracking-table-max-keys` of all servers together. One that must leave is any of them
 */
export function nearModel({ groups, processes, gets, writes, expiries = 0, max, tableMax = Number.POSITIVE_INFINITY }) {
  if (max === 0) return off;
  const sum = (of) => groups.reduce((all, group) => all + group.keys * of(group), 0);
  /** Changes of a key a second, for whatever reason. */
  const changes = ({ share, written = share }, leaving) => writes * written + expiries + leaving;
  const ratio = (rate, other) => (rate === 0 ? 0 : rate / (rate + other));
  const trackedBy = (group, leaving) => ratio((gets * group.share) / processes, changes(group, leaving));
  const tracked = (leaving) => sum((group) => ratio(gets * group.share, changes(group, leaving)));
  const leaving = tracked(0) <= tableMax ? 0 : solve((rate) => tracked(rate) - tableMax);

  const held = (group, time) => {
    const read = (gets * group.share) / processes;
    return trackedBy(group, leaving) * -Math.expm1(-(read + changes(group, leaving)) * time);
  };
  const occupied = (time) => sum((group) => held(group, time));
  // How long an entry that is not read stays before others have taken its place.
  const time = occupied(Number.POSITIVE_INFINITY) <= max ? Number.POSITIVE_INFINITY : solve((each) => max - occupied(each));
  // What a random read finds is what is held at any time.
  const hits = sum((group) => group.share * held(group, time));
  return {
    hits,
    pushes: sum((group) => changes(group, leaving) * processes * trackedBy(group, leaving)),
    trackedKeys: tracked(leaving),
    trackedItems: sum((group) => processes * trackedBy(group, leaving)),
    /** Keys a second that leave the table for others. */
    evictions: leaving > 0 ? leaving * tracked(leaving) : 0,
  };
}

/** A fleet without near. */
const off = { hits: 0, pushes: 0, trackedKeys: 0, trackedItems: 0, evictions: 0 };

/** Where this falling function is 0, of positive numbers. */
function solve(falling) {
  let [low, high] = [-30, 30];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (falling(Math.exp(middle)) > 0) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
