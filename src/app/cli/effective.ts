/** The operator's values that hold, in the form in which `postern.yaml` says them. */
import { formatListener } from '../../operator/index.ts';
import type { Workspace } from '../workspace.ts';

/** Every key of the operator's file with the value that holds, defaults and what was read from Postfix included. */
export function effectiveValues({ operator, surroundings, postfix }: Workspace): Record<string, unknown> {
  const listen = Object.entries(operator.listen).map(([door, listeners]) => [door, listeners.map(formatListener)]);
  return {
    ...operator,
    listen: Object.fromEntries(listen) as Record<string, string[]>,
    trustedNetworks: surroundings.host.trustedNetworks.map((range) => range.text),
    authservId: surroundings.host.authservId,
    postfix: { ...operator.postfix, found: postfix !== null, ...(postfix && { version: postfix.version }) },
  };
}
