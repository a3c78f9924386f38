/** The face of the automatic blocks in the state directory. */
export { createShortTermBlockFile } from './block-file.ts';
export { readShortTermBlocks, requestLift } from './commands.ts';
