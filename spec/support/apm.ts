// What monitoring tools see of a process: all that node-redis and redis-tier tell on their channels, and the spans of OpenTelemetry's
// instrumentation. Load it before node-redis.
import { channel } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { RedisInstrumentation } from '@opentelemetry/instrumentation-redis';
import { BasicTracerProvider, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

/** Begins every token and every generation. */
const tokenMark = 'RandomId';

const crypto = require('node:crypto') as { randomBytes(size: number): Buffer };
const { randomBytes } = crypto;
Object.assign(crypto, {
  randomBytes: (size: number) => Buffer.concat([Buffer.from(tokenMark, 'base64url'), randomBytes(size)]).subarray(0, size),
});

const instrumentation = new RedisInstrumentation();

/** What tools were told: how often by each of them, and what of it held a secret. */
export class Apm {
  readonly counts: Record<string, number> = {};
  readonly leaks: string[] = [];
  /** The first script that a span shows. */
  statement: string | undefined;
  readonly #secrets: readonly string[];

  /** `marks`: what stands in every value. */
  constructor(marks: readonly string[]) {
    this.#secrets = [...marks, tokenMark];
    const exporter = {
      export: (spans: ReadableSpan[]) => {
        for (const span of spans) this.#span(span);
      },
      shutdown: async () => {},
    };
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    instrumentation.setTracerProvider(provider);
    const { CHANNELS } = require('@redis/client/dist/lib/client/tracing.js') as { CHANNELS: Record<string, string> };
    for (const name of [...Object.values(CHANNELS), 'redis-tier:command', 'redis-tier:load']) {
      const phases = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((phase) => `tracing:${name}:${phase}`);
      for (const each of [name, ...phases]) {
        // Bytes stay bytes here: node-redis adds the reply to its context, and that of a GET is the stored entry.
        channel(each).subscribe((message) => this.told(name, `${shown(message)} ${shownAsJson(message)}`));
      }
    }
  }

  told(by: string, text: string): void {
    this.counts[by] = (this.counts[by] ?? 0) + 1;
    if (this.#secrets.some((secret) => text.includes(secret))) this.leaks.push(`${by}: ${text.slice(0, 1000)}`);
  }

  #span({ name, attributes }: ReadableSpan): void {
    const text = `${name} ${shown(attributes)}`;
    this.told('opentelemetry', text);
    if (!text.includes('EVALSHA')) return;
    this.statement ??= text;
    this.counts['scripts'] = (this.counts['scripts'] ?? 0) + 1;
  }
}

export function shown(thing: unknown): string {
  return inspect(thing, { depth: 10, showHidden: true, maxStringLength: 10_000 });
}

function shownAsJson(message: unknown): string {
  try {
    return JSON.stringify(message) ?? '';
  } catch {
    return '';
  }
}
