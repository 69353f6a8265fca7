import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a process ended, and what it printed. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/**
 * Runs a script in a process of its own, which prints a line when it is ready, waits for `go` on its standard input, and ends by itself:
 * after ten seconds it is killed. `meanwhile` is what happens to Redis while it waits.
 */
export async function runScript(script: string, meanwhile: () => unknown): Promise<Ending> {
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  await once(child.stdout, 'data');
  await meanwhile();
  child.stdin.write('go\n');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  return { code, signal, output };
}
