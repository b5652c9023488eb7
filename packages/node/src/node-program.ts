/** The file that runs one node as a process of its own; from sources, the built one. */
import { fileURLToPath } from 'node:url';

export const NODE_PROGRAM: string = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../dist/node-process.js' : './node-process.js',
    import.meta.url,
  ),
);
