import { orderDuring } from './server-faults.js';
import type { Order } from './what-happened.js';

/** What the operating system or its own code does to the process of an application, again and again. */
export interface ApplicationFault {
  readonly does: 'blocks' | 'stops';
  /** What happens to the server at the same time. */
  readonly server: string | undefined;
}

const own: Record<string, ApplicationFault['does']> = {
  'its event loop is blocked': 'blocks',
  'its process is stopped': 'stops',
};

export const applicationFaults: readonly string[] = Object.keys(own);

/** The name of two faults at once. */
export const both = (fault: string, server: string): string => `${fault} while ${server}`;

export function applicationFault(name: string): ApplicationFault {
  const [fault = '', server] = name.split(' while ');
  const does = own[fault];
  if (!does) throw new Error(`an application knows no fault \`${name}\``);
  return { does, server };
}

export function orderDuringBoth(name: string): Order {
  const { server } = applicationFault(name);
  return server === undefined ? 'everywhere' : orderDuring(server);
}
