/**
 * A plan put into the texts of main.cf and master.cf, and taken out again: undo is the exact inverse, and where the
 * administrator changed something meanwhile only our items go. Pure; who writes the files checks them first.
 */
import { isSettled, settleList, withoutItems } from './list-edit.ts';
import type { ListEdit } from './list-edit.ts';
import { onOneLine } from './logical-lines.ts';
import { addSpot, findSpot, type ConfigurationTexts, type Place } from './places.ts';
import type { PostfixPlan } from './plan.ts';
import { makeRecord, type AppliedChange, type AppliedRecord } from './record.ts';

/** A place whose bytes change. Null: nothing stands there. */
export type Difference = Place & { readonly before: string | null; readonly after: string | null };

/** A line as it is after the plan, whether it changes or not. A service line has no name. */
export type SettledLine = Place & { readonly value: string; readonly comment: string };

/** The texts with the plan in them, and what to remember. `record` is null where nothing is ours. */
export type Settled = {
  readonly texts: ConfigurationTexts;
  readonly record: AppliedRecord | null;
  readonly differences: readonly Difference[];
  readonly lines: readonly SettledLine[];
};

type Wanted = Place & { readonly comment: string } & (
    { readonly edit: ListEdit } | { readonly edit: null; readonly line: string }
  );

function wantedOf(plan: PostfixPlan): Wanted[] {
  const lineOf =
    (service: string | null) =>
    (edit: ListEdit): Wanted => ({ service, name: edit.name, comment: edit.comment, edit });
  return [
    ...plan.main.map(lineOf(null)),
    ...plan.services.flatMap(({ service, edits }) => edits.map(lineOf(service))),
    ...plan.newServices.map(({ service, line, comment }): Wanted => ({
      service,
      name: null,
      comment,
      edit: null,
      line,
    })),
  ];
}

const isSamePlace = (a: Place, b: Place): boolean => a.service === b.service && a.name === b.name;

/** Puts the plan in. `record` says what an earlier apply did; what the plan no longer wants of it is taken back. */
export function settlePlan(
  texts: ConfigurationTexts,
  plan: PostfixPlan,
  record: AppliedRecord | null,
  configDirectory: string,
): Settled {
  const wanted = wantedOf(plan);
  const earlier = record?.changes ?? [];
  const dropped = earlier.filter((change) => !wanted.some((each) => isSamePlace(each, change)));
  let now = takeBackAll(texts, dropped);
  const made: AppliedChange[] = [];
  for (const each of wanted) {
    const before = earlier.find((change) => isSamePlace(each, change)) ?? null;
    const settled = each.edit === null ? settleService(now, each, before) : settleEdit(now, each, each.edit, before);
    now = settled.texts;
    if (settled.change !== null) made.push(settled.change);
  }
  const kept = earlier.filter((change) => made.includes(change));
  const changes = [...kept, ...made.filter((change) => !kept.includes(change))];
  const chosen = [...new Set(plan.chosen)];
  return {
    texts: now,
    record: changes.length === 0 ? null : makeRecord(configDirectory, chosen, changes),
    differences: differencesOf(texts, now, [...earlier, ...changes]),
    lines: wanted.map((each) => ({
      service: each.service,
      name: each.name,
      comment: each.comment,
      value: valueOf(now, each),
    })),
  };
}

const valueOf = (texts: ConfigurationTexts, place: Place): string => {
  const spot = findSpot(texts, place);
  return spot === null ? '' : place.name === null ? spot.raw : onOneLine(spot.value);
};

type Step = { readonly texts: ConfigurationTexts; readonly change: AppliedChange | null };

function settleEdit(texts: ConfigurationTexts, place: Place, edit: ListEdit, earlier: AppliedChange | null): Step {
  const spot = findSpot(texts, place);
  if (spot !== null && isSettled(spot.value, edit, earlier?.items ?? [])) return { texts, change: earlier };
  const base = earlier === null ? texts : takeBack(texts, earlier);
  const before = findSpot(base, place);
  if (before !== null && isSettled(before.value, edit, [])) return { texts: base, change: null };
  const items = [...new Set([...edit.items, ...(earlier?.items ?? [])])];
  const change = {
    service: place.service,
    name: place.name,
    kind: edit.kind,
    items,
    valueIfUnset: edit.valueIfUnset,
    original: before?.raw ?? null,
  };
  if (before === null) {
    const { texts: after, added } = add(base, place, settleList(edit.valueIfUnset, edit));
    return { texts: after, change: { ...change, written: added } };
  }
  const after = before.withValue(settleList(before.value, edit));
  return { texts: after, change: { ...change, written: findSpot(after, place)?.raw ?? '' } };
}

function settleService(
  texts: ConfigurationTexts,
  place: Place & { readonly line: string },
  earlier: AppliedChange | null,
): Step {
  const isThere = findSpot(texts, place) !== null;
  // A line of ours that the administrator changed stays as it is while the same line is wanted.
  if (isThere && earlier !== null && bare(earlier.written) === place.line) return { texts, change: earlier };
  const base = earlier === null ? texts : takeBack(texts, earlier);
  const { texts: after, added } = add(base, place, place.line);
  const { service, name } = place;
  const change = { service, name, kind: 'words', items: [], valueIfUnset: '', original: null, written: added } as const;
  return { texts: after, change };
}

function add(texts: ConfigurationTexts, place: Place, value: string): { texts: ConfigurationTexts; added: string } {
  const added = addSpot(texts, place, value);
  if (added === null) throw new Error(`master.cf has no service ${place.service ?? ''}, which the plan speaks of`);
  return added;
}

/** The texts without what a record says was put there. */
export function takeBackRecord(
  texts: ConfigurationTexts,
  record: AppliedRecord,
): { readonly texts: ConfigurationTexts; readonly differences: readonly Difference[] } {
  const now = takeBackAll(texts, record.changes);
  return { texts: now, differences: differencesOf(texts, now, record.changes) };
}

/** In reverse, because each change was made in the text that the one before left. */
const takeBackAll = (texts: ConfigurationTexts, changes: readonly AppliedChange[]): ConfigurationTexts =>
  changes.reduceRight(takeBack, texts);

function takeBack(texts: ConfigurationTexts, change: AppliedChange): ConfigurationTexts {
  const spot = findSpot(texts, change);
  if (spot === null || spot.raw === change.original) return texts;
  const isJoined = change.written.startsWith('\n');
  if (change.name === null) return spot.without(isJoined);
  if (spot.raw === bare(change.written))
    return change.original === null ? spot.without(isJoined) : spot.withRaw(change.original);
  const value = withoutItems(spot.value, change.kind, change.items);
  const isAsUnset = value === '' || onOneLine(value) === onOneLine(change.valueIfUnset);
  if (change.original === null && isAsUnset) return spot.without(isJoined);
  return value === spot.value ? texts : spot.withValue(value);
}

/** What was added, without the line end and blanks that had to come before it. */
const bare = (written: string): string => written.replace(/^\n {0,2}/, '');

function differencesOf(before: ConfigurationTexts, after: ConfigurationTexts, places: readonly Place[]): Difference[] {
  return places
    .filter((place, index) => places.findIndex((each) => isSamePlace(each, place)) === index)
    .map(({ service, name }) => ({
      service,
      name,
      before: findSpot(before, { service, name })?.raw ?? null,
      after: findSpot(after, { service, name })?.raw ?? null,
    }))
    .filter((difference) => difference.before !== difference.after);
}
