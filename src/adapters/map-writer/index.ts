/**
 * The face of the map writer: Postfix tables in a directory of Postern's own.
 */
export { createMapWriter } from './map-writer.ts';
export { faultOfTable, readMapTypes } from './commands.ts';
export { tableName } from './save-map.ts';
export { chooseTableType } from './table-type.ts';
export type { MapTypeSetting, MapWriterOptions, MapWriterTiming } from './types.ts';
