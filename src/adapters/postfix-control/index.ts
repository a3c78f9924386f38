/** The face of the Postfix at hand. */
export { readPostfix, type PostfixFacts } from './read-postfix.ts';
