/** The face of the settings: what an administrator may say, and whether it is right. */
export { Issues, fromPointer, nameOfPlace, toPointer, type SettingsIssue, type Severity } from './issue.ts';
export { settingsJsonSchema } from './json-schema.ts';
export { DKIM_BITS, LIMITS } from './limits.ts';
export { readObject } from './read-object.ts';
export { sharedSuffix } from './rules/shared-domain.ts';
export { DEFAULT_SELECTOR, isSelector } from './schema/dkim.ts';
export { identityOf } from './rules/ip-lists.ts';
export type { PatternCheck } from './rules/patterns.ts';
export type { DomainSettings, RouteSettings } from './schema/index.ts';
export { ipRange, parseExpiry, type IpEntry } from './schema/ip-entries.ts';
export { characterCount, domainName } from './schema/values.ts';
export { ownDomains, type Organization, type OwnDomain, type Settings } from './settings.ts';
export { validate, type Validation } from './validate.ts';
