/**
 * The main.cf lines that make Postfix ask Postern, worked out from what main.cf says now: for the doctor's "line to
 * type". Changes nothing. Source: postconf(5) smtpd_recipient_restrictions, SMTPD_POLICY_README, MILTER_README.
 */
import { milterEdits, milterMapEdit, policyEdit } from './postfix-plan/edits.ts';
import { settleList, splitList, type ListEdit } from './postfix-plan/list-edit.ts';
import type { DoorEndpoints } from './postfix-plan/plan.ts';

/** A parameter with the value it should have, and why. */
export type MainLine = { readonly name: string; readonly value: string; readonly comment: string };

/** A list of restrictions taken apart, each with its arguments. */
export const splitRestrictions = (value: string): string[] => splitList(value, 'restrictions');

/** The milters of a list. Source: postconf(5) smtpd_milters. */
export const splitMilters = (value: string): string[] => splitList(value, 'words');

const lineFor = (main: ReadonlyMap<string, string>, edit: ListEdit): MainLine => ({
  name: edit.name,
  value: settleList(main.get(edit.name) ?? '', edit),
  comment: edit.comment,
});

/** `smtpd_recipient_restrictions` with Postern first and every other restriction in its order. */
export const restrictionsLine = (main: ReadonlyMap<string, string>, policy: string): MainLine =>
  lineFor(main, policyEdit(policy));

/** The lines that show messages to Postern. A list that names another list of milters gets ours from there. */
export const milterLines = (main: ReadonlyMap<string, string>, milter: string): MainLine[] =>
  milterEdits(milter).map((edit) =>
    edit.name === 'non_smtpd_milters' && /\$[{(]?smtpd_milters\b/.test(main.get(edit.name) ?? '')
      ? { name: edit.name, value: main.get(edit.name) ?? '', comment: edit.comment }
      : lineFor(main, edit),
  );

/** `smtpd_milter_maps` with our table first: the first table that knows a client answers. */
export const milterMapLine = (main: ReadonlyMap<string, string>, socketmap: string): MainLine =>
  lineFor(main, milterMapEdit(socketmap));

/** The optional lines that are not there yet: `apply` sets none of them. */
export const optionalLines = (
  main: ReadonlyMap<string, string>,
  { milter, socketmap }: Pick<DoorEndpoints, 'milter' | 'socketmap'>,
): MainLine[] =>
  milter === null || socketmap === null || hasMilterMap(main.get('smtpd_milter_maps') ?? '', socketmap)
    ? []
    : [milterMapLine(main, socketmap)];

/** Whether a list of tables names ours. */
export const hasMilterMap = (tables: string, socketmap: string): boolean =>
  milterMapEdit(socketmap).items.every((item) => splitMilters(tables).includes(item));
