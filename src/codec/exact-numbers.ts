/** What JSON takes for a number, or a string, in which a number is only text. */
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Whether every number in this JSON is one that JavaScript holds as it is written: `12345678901234567890`, `1e400` and `-0` are not, and come
 * back as something else once they were parsed and written again.
 */
export function holdsExactNumbers(json: string): boolean {
  for (const [token] of json.matchAll(stringOrNumber)) {
    if (token.startsWith('"')) continue;
    const value = Number(token);
    if (Object.is(value, -0) || !Number.isFinite(value)) return false;
    // Up to 15 digits always come back.
    if ((token.length > 15 || /e/i.test(token)) && digits(token) !== digits(String(value))) return false;
  }
  return true;
}

/** A decimal number in one form: its digits without zeros around them, and where the point is. */
function digits(number: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number) ?? [];
  const leading = (whole + part).replace(/^0+/, '');
  const significant = leading.replace(/0+$/, '');
  return `${sign}${significant}e${significant === '' ? 0 : Number(power) - part.length + leading.length - significant.length}`;
}
