/**
 * Freezes the value through and through, where freezing makes it immutable: plain objects and arrays of plain data. Anything
 * else in it (a Buffer, a Map, a Date, an instance of a class, an accessor) and nothing is frozen.
 *
 * @returns whether the value can be shared
 */
export function deepFreeze(value: unknown): boolean {
  const found = new Set<object>();
  const open = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'function') return false;
    if (typeof next !== 'object' || next === null || found.has(next)) continue;
    if (!isPlain(next)) return false;
    found.add(next);
    for (const name of Reflect.ownKeys(next)) {
      const property = Object.getOwnPropertyDescriptor(next, name) as PropertyDescriptor;
      if (!('value' in property)) return false;
      open.push(property.value);
    }
  }
  for (const object of found) Object.freeze(object);
  return true;
}

function isPlain(object: object): boolean {
  if (Array.isArray(object)) return Object.getPrototypeOf(object) === Array.prototype;
  const prototype = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null;
}
