/**
 * Advice on services that take mail back from a content filter: Postern saw that mail before and must not see it again.
 * Changes nothing. Source: FILTER_README, "Advanced content filter"; postconf(5) receive_override_options.
 */
import type { Advice } from '../postfix-advice.ts';
import { hasNoMilters, isReinjection, type PostfixView } from './view.ts';

/** What to say of those where Postern's milter acts all the same. */
export const adviseOnReinjection = ({ services }: PostfixView, names: readonly string[]): Advice[] =>
  services
    .filter((service) => service.command === 'smtpd' && isReinjection(service, names) && !hasNoMilters(service))
    .filter(({ options }) => options.get('smtpd_milters') === undefined)
    .map(({ id, options }) => {
      const now = options.get('receive_override_options') ?? '';
      const value = now === '' ? 'no_milters' : `${now},no_milters`;
      return {
        severity: 'warning',
        text: `${id} takes mail back from a content filter, and Postern's milter sees it there a second time; what it put in once it would put in twice`,
        line: `postconf -P '${id}/receive_override_options=${value.replace(/[,\s]+/g, ',')}'`,
      };
    });
