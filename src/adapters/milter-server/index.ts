/** The face of the milter door. */
export { openMilterDoor, type MilterDoorOptions } from './server.ts';
