/**
 * What must be said in main.cf and master.cf so that Postfix asks Postern: computed from what they say without it.
 * Writes nothing. Source: postconf(5), master(5), SMTPD_POLICY_README, MILTER_README.
 */
import { milterEdits, policyEdit, recipientEdit, smtpdMilterEdit, tlsPolicyEdit, transportEdit } from './edits.ts';
import { isMilterAt, isSettled, settleList, splitList, type ListEdit } from './list-edit.ts';
import { expand, hasReference, isReinjection, type PostfixView, type ViewedService } from './view.ts';

/** Where Postfix reaches the doors: `inet:127.0.0.1:10040` or `unix:postern/policy.sock`; null for a shut door. */
export type DoorEndpoints = {
  readonly policy: string | null;
  readonly milter: string | null;
  readonly socketmap: string | null;
};

/** A service that master.cf must have. */
export type NeededService = {
  readonly name: string;
  /** The unix service whose fields, command and `-o` lines it takes over, such as `smtp`. */
  readonly like: string;
  /** Its own `-o` lines; with `keepsOthers` the value that `like` or main.cf has for the parameter comes after ours. */
  readonly options: readonly { readonly name: string; readonly value: string; readonly keepsOthers?: boolean }[];
  readonly comment: string;
};

/** What the settings ask of Postfix beyond the doors. */
export type PostfixNeeds = {
  readonly tlsPolicies: boolean;
  /** Tables for transport_maps, in their order, such as `hash:/var/lib/postern/maps/transport`. */
  readonly transportMaps: readonly string[];
  /** The table of routed recipients, such as `socketmap:unix:postern/socketmap.sock:recipients`; null: none. */
  readonly recipientMap: string | null;
  readonly services: readonly NeededService[];
};

/** Nothing beyond the doors. */
export const NO_NEEDS: PostfixNeeds = { tlsPolicies: false, transportMaps: [], recipientMap: null, services: [] };

/** What the operator says. */
export type PlanOptions = {
  /** Services with overriding `-o` lines that may be changed: `submission` or `submission/inet`. */
  readonly services: readonly string[];
  /** `{daemon_name}` values of services that take mail back from a content filter. */
  readonly reinjectionServices: readonly string[];
};

/** `-o` lines of one service. */
export type ServicePlan = { readonly service: string; readonly edits: readonly ListEdit[] };

/** A whole service line to add. */
export type NewService = { readonly service: string; readonly line: string; readonly comment: string };

/** A service left as it is: `overrides` keep Postern from being asked there. */
export type ServiceLeft = {
  readonly service: string;
  readonly name: string;
  readonly overrides: readonly { readonly name: string; readonly value: string }[];
  /** False where Postern must not be asked: mail that comes back from a content filter. */
  readonly canBeChanged: boolean;
};

/** What to set, as data. */
export type PostfixPlan = {
  readonly main: readonly ListEdit[];
  readonly services: readonly ServicePlan[];
  readonly newServices: readonly NewService[];
  readonly left: readonly ServiceLeft[];
  /** Services chosen by the operator, as ids. */
  readonly chosen: readonly string[];
  /** Names chosen by the operator that are no smtpd service. */
  readonly unknown: readonly string[];
  /** Services to add whose name master.cf uses already. */
  readonly taken: readonly string[];
};

/** The parameters whose built-in values a view needs. */
export const PARAMETERS_WITH_DEFAULTS = [
  'smtpd_recipient_restrictions',
  'smtpd_milters',
  'non_smtpd_milters',
  'internal_mail_filter_classes',
  'smtp_tls_policy_maps',
  'transport_maps',
  'relay_recipient_maps',
  'local_recipient_maps',
  'virtual_mailbox_maps',
  'virtual_transport',
  'smtp_generic_maps',
] as const;

/** The plan. `view` is the configuration without what Postern put there before. */
export function planPostfix(
  view: PostfixView,
  endpoints: DoorEndpoints,
  options: PlanOptions,
  needs: PostfixNeeds,
): PostfixPlan {
  const edits = mainEdits(view, endpoints, needs);
  const settled = settledMain(view, edits);
  const main = edits.filter((edit) => !comesByReference(view.main.get(edit.name), edit, settled));
  const smtpd = view.services.filter(({ command }) => command === 'smtpd');
  const isNamed = ({ id, name }: ViewedService): boolean =>
    options.services.some((each) => each === id || each === name);
  const plans = smtpd.map((service) => planService(service, settled, endpoints, options.reinjectionServices));
  const changes = plans.filter(({ edits: needed }) => needed.length > 0);
  const mayChange = (plan: PlannedService): boolean =>
    !plan.isReinjection && (plan.overrides.length === 0 || isNamed(plan.viewed));
  return {
    main,
    services: changes.filter(mayChange).map(({ viewed, edits: needed }) => ({ service: viewed.id, edits: needed })),
    newServices: needs.services.map((service) => newService(view, service)),
    left: changes
      .filter((plan) => !mayChange(plan) && (plan.overrides.length > 0 || isNamed(plan.viewed)))
      .map(({ viewed, overrides, isReinjection }) => ({
        service: viewed.id,
        name: viewed.name,
        overrides,
        canBeChanged: !isReinjection,
      })),
    chosen: smtpd.filter(isNamed).map(({ id }) => id),
    unknown: options.services.filter((each) => !smtpd.some(({ id, name }) => each === id || each === name)),
    taken: needs.services
      .map(({ name }) => `${name}/unix`)
      .filter((service) => view.services.some(({ id }) => id === service)),
  };
}

function mainEdits(view: PostfixView, { policy, milter, socketmap }: DoorEndpoints, needs: PostfixNeeds): ListEdit[] {
  const edits = [
    ...(policy === null ? [] : [policyEdit(policy)]),
    ...(milter === null ? [] : milterEdits(milter)),
    ...(socketmap === null || !needs.tlsPolicies ? [] : [tlsPolicyEdit(socketmap)]),
    ...(needs.transportMaps.length === 0 ? [] : [transportEdit(needs.transportMaps)]),
  ].map((edit) => ({ ...edit, valueIfUnset: view.defaults.get(edit.name) ?? '' }));
  return needs.recipientMap === null ? edits : [...edits, ...recipientEdits(view, needs.recipientMap)];
}

/**
 * An empty list takes every recipient, so only one that is not gets ours. virtual(8) delivers what
 * virtual_mailbox_maps says, so it must not find our answer there.
 */
function recipientEdits(view: PostfixView, map: string): ListEdit[] {
  const valueOf = (name: string): string => view.main.get(name) ?? view.defaults.get(name) ?? '';
  const isVirtual = /^virtual(?::|$)/.test(expand(valueOf('virtual_transport'), view));
  return ['relay_recipient_maps', 'local_recipient_maps', ...(isVirtual ? [] : ['virtual_mailbox_maps'])]
    .filter((name) => expand(valueOf(name), view) !== '')
    .map((name) => recipientEdit(name, map, view.defaults.get(name) ?? ''));
}

/** The view with our items in main.cf. */
function settledMain(view: PostfixView, edits: readonly ListEdit[]): PostfixView {
  const main = new Map(view.main);
  const settled = { ...view, main };
  for (const edit of edits) {
    const now = main.get(edit.name);
    if (!comesByReference(now, edit, settled)) main.set(edit.name, settleList(now ?? edit.valueIfUnset, edit));
  }
  return settled;
}

/** Whether a list has our items by a parameter that it names. A milter is asked once only, so its place counts less. */
function comesByReference(value: string | undefined, edit: ListEdit, settled: PostfixView): boolean {
  if (value === undefined || !hasReference(value)) return false;
  const loose = edit.kind === 'words' ? { ...edit, isPlaceFixed: false } : edit;
  return isSettled(expand(value, settled), loose, []);
}

type PlannedService = {
  readonly viewed: ViewedService;
  readonly edits: readonly ListEdit[];
  readonly overrides: ServiceLeft['overrides'];
  readonly isReinjection: boolean;
};

function planService(
  viewed: ViewedService,
  settled: PostfixView,
  { policy, milter }: DoorEndpoints,
  reinjectionServices: readonly string[],
): PlannedService {
  const place = isSubmission(viewed) ? 'last' : 'first';
  const edits = [
    ...(policy === null ? [] : [policyEdit(policy)]),
    ...(milter === null ? [] : [smtpdMilterEdit(milter, place)]),
  ];
  const overrides = edits.flatMap(({ name }) => {
    const value = viewed.options.get(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const needed = edits.filter((edit) => {
    const own = viewed.options.get(edit.name);
    if (own !== undefined) return !isSettled(own, edit, []) && !comesByReference(own, edit, settled);
    return edit.place === 'last' && !isSettled(settled.main.get(edit.name) ?? '', edit, []);
  });
  return {
    viewed,
    edits: needed.map((edit) => ({ ...edit, valueIfUnset: othersOf(settled, edit) })),
    overrides,
    isReinjection: isReinjection(viewed, reinjectionServices),
  };
}

/** The milters of main.cf but ours, for a service that gets a list of its own. */
function othersOf({ main }: PostfixView, { name, kind, endpoint }: ListEdit): string {
  return splitList(main.get(name) ?? '', kind)
    .filter((entry) => endpoint === null || !isMilterAt(entry, endpoint))
    .join(', ');
}

const SUBMISSION = /^(?:.*:)?(?:submissions?|smtps|587|465)$/;

/** A service for an organization's own users, who authenticate. Source: RFC 6409, RFC 8314; Debian's master.cf. */
const isSubmission = ({ name, options }: ViewedService): boolean =>
  SUBMISSION.test(name) ||
  options.get('milter_macro_daemon_name') === 'ORIGINATING' ||
  options.get('smtpd_tls_wrappermode') === 'yes';

/** A service line with the fields and `-o` lines of the one that it is like. Source: master(5). */
function newService(view: PostfixView, { name, like, options, comment }: NeededService): NewService {
  const model = view.services.find(({ id }) => id === `${like}/unix`);
  const fields = model?.fields.slice(1) ?? ['unix', '-', '-', 'n', '-', '-', 'smtp'];
  const others = (parameter: string): string =>
    model?.options.get(parameter) ?? view.main.get(parameter) ?? view.defaults.get(parameter) ?? '';
  const lines = new Map(model?.options ?? []);
  for (const { name: parameter, value, keepsOthers } of options) {
    const rest = keepsOthers === true ? others(parameter) : '';
    lines.set(parameter, rest === '' ? value : `${value}, ${rest}`);
  }
  const rendered = [...lines].map(
    ([parameter, value]) => `  -o { ${parameter} =${value === '' ? '' : ` ${value}`} }\n`,
  );
  return { service: `${name}/unix`, line: `${[name, ...fields].join(' ')}\n${rendered.join('')}`, comment };
}
