/** The face of the log file that Postfix writes. */
export { findLog, type FoundLog } from './find-log.ts';
export { followLog, type FollowedLog, type FollowerOptions } from './follower.ts';
