/** The name among `known` that was probably meant: the same in another case, in the plural, or with a letter or two mistyped. */
export function similar(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const distance = (other: string): number => {
    const low = other.toLowerCase();
    return low === lower || `${low}s` === lower || low === `${lower}s` ? 0 : edits(lower, low);
  };
  const [best] = known
    .map((other) => ({ other, distance: distance(other) }))
    .filter((each) => each.distance <= Math.min(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return best?.other;
}

/** Letters to put in, leave out, replace or swap with their neighbour, to make one word of the other. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] as number) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] as number;
}
