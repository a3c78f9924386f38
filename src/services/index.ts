/** The face of the services: use cases whose effects go through ports only. */
export { ERROR_CODES, PosternError, type ErrorCode } from './errors.ts';
export { createJudge, type Judge, type MessageContext } from './judge.ts';
export {
  formatIssue,
  loadSettings,
  locateIssues,
  syntaxIssues,
  type Loaded,
  type LocatedIssue,
  type Surroundings,
} from './load-settings.ts';
export type {
  Clock,
  DecisionLabels,
  Door,
  GoodSettings,
  LastGood,
  Log,
  Meters,
  Place,
  SettingsStore,
  SettingsText,
  SnapshotState,
} from './ports.ts';
export { createSnapshots, type Problem, type Snapshots } from './snapshots.ts';
export { explain, type Explanation, type Question } from './explain.ts';
