/** The face of the search for patterns in header lines. */
export { createPatternSearch, SEARCH_LIMITS, type SearchLimits } from './pattern-search.ts';
