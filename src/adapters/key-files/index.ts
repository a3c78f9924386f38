/** The face of the key store that lives in files. */
export { createKeyFiles, keyIndexOf } from './key-files.ts';
