/** The time of day of this host. Not for measuring how long something took: it may be set back. */
import type { Clock } from '../../services/index.ts';

/** The system clock. */
export const systemClock: Clock = { now: () => Date.now() };
