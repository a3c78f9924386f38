/** The face of files as every store uses them: written by rename, under a lock, with errors in words. */
export { withLock } from './lock.ts';
export { reasonOf } from './reason.ts';
export { followLinks, makePrivateDirectory, writeFileAtomically, type Owner } from './write-file.ts';
