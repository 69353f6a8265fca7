import type { StoredEntry } from '../codec/entry.js';
import type { StandardSchema } from '../codec/schema.js';
import type { CallBounds } from '../connection/guard.js';
import type { KeySpace } from '../keys/keyspace.js';
import { nearOnlyCommands } from '../near/commands.js';
import type { Milliseconds } from '../ttl.js';
import type { CacheContext } from './context.js';
import { FailurePolicy } from './failure.js';
import { Reader } from './reader.js';
import { Scans } from './scans.js';
import { Tags } from './tags.js';
import { Updates } from './updates.js';
import { type CacheCore, Values } from './values.js';
import { Writer } from './writer.js';

/**
 * The operations of a store on one set of entries: key → codec → command. The faces translate their contract to these and do nothing else.
 * Views with other bounds or keys share what the process knows of the same entries.
 */
export class Cache implements CacheCore {
  readonly policy: FailurePolicy;
  readonly tags: Tags;
  readonly values: Values;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly updates: Updates;
  readonly scans: Scans;

  constructor(readonly context: CacheContext) {
    this.policy = new FailurePolicy(context);
    this.tags = new Tags(context);
    this.values = new Values(this);
    this.reader = new Reader(this);
    this.writer = new Writer(this);
    this.updates = new Updates(this);
    // A clear that waits outlives the call that began it, and so the signal of that call.
    this.scans = new Scans(this, (clear) => clear(context.signal ? this.withBounds({}).scans : this.scans));
  }

  /** The same entries, with other bounds for its calls. */
  withBounds({ timeout, signal }: CallBounds): Cache {
    const commands = this.context.commandsWithin({ timeout, signal });
    return new Cache({ ...this.context, commands, timeout: timeout ?? this.context.timeout, signal });
  }

  /** The same entries, whose time to live is this, renewed by each read. */
  withSliding(time: Milliseconds): Cache {
    const { ttl, keys, sliding } = this.context;
    const slide = (key: string, entry: StoredEntry): void => {
      const redisKey = keys.toRedisKey(key);
      if (sliding.isDue(redisKey, time)) this.updates.slide(redisKey, entry, time);
    };
    return new Cache({ ...this.context, slide, ttl: (own, value) => ttl(own === undefined ? time : own, value) });
  }

  /** The same entries, whose values have to match a schema. */
  withSchema(schema: StandardSchema): Cache {
    return new Cache({ ...this.context, schema, hasOwnForm: true });
  }

  /** The entries of another key space, through the same engine. */
  withKeys(keys: KeySpace): Cache {
    return new Cache({ ...this.context, keys });
  }

  /** A view of what the near tier holds, which asks Redis for nothing; `undefined` without a near tier. */
  nearOnly(): Reader | undefined {
    const { near } = this.context;
    return near && new Cache({ ...this.context, commands: nearOnlyCommands(near), recordsHitsOnly: true }).reader;
  }
}
