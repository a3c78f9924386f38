/** The face of the registry of route numbers that lives in a file. */
export { createRouteRegistry } from './route-registry.ts';
