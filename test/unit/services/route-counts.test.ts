import { describe, expect, it } from 'vitest';
import { decideMessage, type MessageDecision } from '../../../src/decide/index.ts';
import { createRouteReport, routeCounts, type RouteFailures } from '../../../src/services/index.ts';
import { aRoutedSnapshot, knownRoute, type Installed } from '../../support/builders.ts';
import { aMessage, type MessageTexts } from '../../support/messages.ts';
import { FakeRouteMeters } from '../../support/route-meters.ts';

const DOCUMENT = {
  version: 1,
  organizations: {
    acme: {
      primaryDomain: 'a.example',
      routes: { archive: { host: '192.0.2.31' }, quiet: { host: '192.0.2.32' } },
      domains: {
        'a.example': {
          inboundRouting: [{ mail: ['external'], route: 'archive' }],
          outboundRouting: [{ mail: ['external'], action: 'additionally', route: 'archive' }],
        },
        'quiet.example': { inboundRouting: [{ mail: ['external'], route: 'quiet', suppressBounces: true }] },
        'kept.example': { inboundRouting: [{ mail: ['external'], route: 'quiet', alsoSave: true }] },
        'seen.example': { enforcement: 'observe', inboundRouting: [{ mail: ['external'], route: 'quiet' }] },
      },
    },
  },
};

const snapshot = aRoutedSnapshot(DOCUMENT);
const decided = (texts: MessageTexts, known?: Installed): MessageDecision =>
  decideMessage(known === undefined ? snapshot : aRoutedSnapshot(DOCUMENT, known), aMessage(texts));
const alice = { client: '127.0.0.1', sender: 'alice@a.example' };

describe('routeCounts', () => {
  it('a recipient that goes there only is moved, one that is delivered here too is copied', () => {
    const recipients = ['a@a.example', 'b@a.example', 'c@quiet.example', 'd@kept.example', 'e@else.example'];
    expect(routeCounts(decided({ recipients }))).toEqual({
      routed: [
        { route: 'acme/archive', kind: 'moved', bounces: true },
        { route: 'acme/archive', kind: 'moved', bounces: true },
        { route: 'acme/quiet', kind: 'moved', bounces: false },
        { route: 'acme/quiet', kind: 'copied', bounces: true },
      ],
      loops: [],
    });
  });

  it("a copy under the sender's address is one, however many recipients there are", () => {
    expect(routeCounts(decided({ ...alice, recipients: ['a@else.example', 'b@else.example'] })).routed).toEqual([
      { route: 'acme/archive', kind: 'copied', bounces: false },
    ]);
  });

  it('a rule that is only observed sends nothing', () => {
    expect(routeCounts(decided({ recipients: ['a@seen.example'] }))).toEqual({ routed: [], loops: [] });
  });

  it('a message that waits for its route sends nothing yet', () => {
    const decision = decided({ recipients: ['a@a.example'] }, { installed: [] });
    expect(decision.verdict.kind).toBe('defer');
    expect(routeCounts(decision)).toEqual({ routed: [], loops: [] });
  });

  it('a loop that is stopped is one for the message, and nothing else of it is counted', () => {
    const { mark } = knownRoute(snapshot, 'archive');
    const decision = decided({
      recipients: ['a@a.example', 'b@a.example', 'c@quiet.example'],
      headers: [`X-Postern-Route: ${mark}`],
    });
    expect(decision.verdict.kind).toBe('reject');
    expect(routeCounts(decision)).toEqual({ routed: [], loops: ['acme/archive'] });
  });

  it('a message that is refused for something else is none', () => {
    const decision = decided({ recipients: ['a@a.example', 'x=y@r1-00000000.route.postern.internal'] });
    expect(decision.verdict.kind).toBe('reject');
    expect(routeCounts(decision)).toEqual({ routed: [], loops: [] });
  });
});

describe('createRouteReport', () => {
  it('counts, and has remembered what has a queue id and goes to a route', () => {
    const meters = new FakeRouteMeters();
    const remembered: string[] = [];
    const remember: RouteFailures['remember'] = (_, __, queueId) => void remembered.push(queueId);
    const report = createRouteReport(meters, { remember });
    const tell = (texts: MessageTexts, queueId: string | null): void => {
      report(decided(texts), aMessage(texts), queueId);
    };
    tell({ recipients: ['a@quiet.example'] }, 'Q1');
    tell({ recipients: ['a@quiet.example'] }, null);
    tell({ recipients: ['a@else.example'] }, 'Q3');
    tell({ recipients: ['a@a.example'], headers: [`X-Postern-Route: ${knownRoute(snapshot, 'archive').mark}`] }, 'Q4');
    expect(remembered).toEqual(['Q1']);
    expect(meters.routed).toEqual(['acme/quiet moved false', 'acme/quiet moved false']);
    expect(meters.loops).toEqual(['acme/archive']);
  });
});
