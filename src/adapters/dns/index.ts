/** The face of DNS. */
export { createResolver } from './resolver.ts';
