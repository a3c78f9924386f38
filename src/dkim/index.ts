/** The face of DKIM: hashing and signing a message, reading and showing key records. Pure; asks no DNS, holds no private key. */
export * from './body-canonicalizer.ts';
export * from './from-field.ts';
export * from './header-canonicalizer.ts';
export * from './header-selection.ts';
export * from './key-record.ts';
export * from './public-key.ts';
export * from './signature-field.ts';
