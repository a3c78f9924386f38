/** How an own domain, or a route, is named in labels: the first ones by their name, all later ones together. No outside source. */

/** How many own domains keep their name; the later ones are counted as `other`. */
const MAX_DOMAINS = 200;

/** Makes the names, the same in every metric that asks. Null, for what is about no own domain, gives `none`. */
export function createDomainLabel(): (domain: string | null) => string {
  const named = new Set<string>();
  return (domain) => {
    if (domain === null) return 'none';
    if (named.size < MAX_DOMAINS) named.add(domain);
    return named.has(domain) ? domain : 'other';
  };
}
