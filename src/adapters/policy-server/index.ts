/** The face of the policy door. */
export { openPolicyDoor, type PolicyDoorOptions } from './server.ts';
