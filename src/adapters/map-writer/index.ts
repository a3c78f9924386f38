/**
 * The face of the map writer: Postfix tables in a directory of Postern's own.
 */
export { createMapWriter } from './map-writer.ts';
export { readMapTypes } from './commands.ts';
export type {
  MapEntry,
  MapFile,
  MapOutcome,
  MapsState,
  MapState,
  MapTypeSetting,
  MapWriter,
  MapWriterOptions,
  MapWriterTiming,
  PublishResult,
  TableType,
} from './types.ts';
