/** The face of the socketmap door. */
export { openSocketmapDoor, type SocketmapDoorOptions } from './server.ts';
