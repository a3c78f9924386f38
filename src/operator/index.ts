/** The face of the operator's file: where Postern listens, what it keeps, what it may trust. */
export { formatListener, parseListener, type Listener } from './listener.ts';
export { mapDoors, validateOperatorFile, type Doors, type OperatorFile } from './operator-file.ts';
