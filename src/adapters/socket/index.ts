/** The face of the sockets that all doors share: listen, limit, talk in turn, drain. */
export { CannotListenError } from './cannot-listen.ts';
export { openDoor, type DoorOptions, type OpenDoor } from './door.ts';
export { drain, type Conversation } from './drain.ts';
export { guardConnections } from './guard.ts';
export { listenAt } from './listen.ts';
export { converse, type Turns } from './turns.ts';
export type { UnixSocketOptions } from './unix-socket.ts';
