import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNetwork } from '../src/network.ts';
import type { Fetch } from '../src/platform/platform.ts';
import { createMemoryStorage } from '../src/platform/platform.ts';
import { createVerifiedReader } from '../src/verified-reader.ts';
import { type Cast, createCast, hoursFromNow, STROKE_DRAFT } from './support/cast.ts';
import { startConsortium, type TestConsortium } from './support/consortium.ts';

let consortium: TestConsortium;
let cast: Cast;
const answers: { readonly call: string; readonly status: number }[] = [];

beforeAll(async () => {
  consortium = await startConsortium();
  const fetch: Fetch = async (url, init) => {
    const response = await globalThis.fetch(url, init);
    const { pathname } = new URL(url);
    answers.push({ call: `${init.method ?? 'GET'} ${pathname}`, status: response.status });
    return response;
  };
  cast = await createCast(consortium, { fetch });
}, 180_000);

afterAll(() => consortium.stop());

test('a referral asks each question when it can be answered: no node refuses anything', async () => {
  const patient = await cast.patient('patient-1');
  const author = await cast.doctor('community-1', 1);
  const referred = await cast.doctor('tertiary-1', 1);
  const visit = await cast.visitAt(patient, 'community-1');
  await author.issueRecord({ visit, draft: STROKE_DRAFT });
  const made = await patient.grantAccess({
    grantee: referred.id,
    to: hoursFromNow(cast.platform, 1),
    purpose: 'p',
  });
  await referred.receiveGrant(made.grantId);
  const [hit] = await referred.search(made.grantId);
  if (hit === undefined) throw new Error('nothing found');
  const opened = await referred.openRecord({ grantId: made.grantId, hit, purpose: 'p' });
  await opened.stored.dispose();
  expect(answers.filter(({ status }) => status >= 400)).toEqual([]);
}, 60_000);

test('a node that keeps silent about a transaction holds up nobody', async () => {
  const { network } = cast.connection;
  const doctor = await cast.doctor('community-1', 2);
  const { handle } = await (await cast.patient('patient-2')).createHandle();
  const wish = {
    purpose: 'p',
    hospitals: [],
    classes: [],
    keywords: [],
    until: hoursFromNow(cast.platform, 1),
  };
  const { transaction } = await doctor.requestAccess(handle, wish);
  const [silent, ...others] = network.nodes;
  if (silent === undefined) throw new Error('no node');
  const hungUp: boolean[] = [];
  const fetch: Fetch = (url, init) => {
    if (!url.startsWith(silent.url) || !new URL(url).pathname.endsWith('/receipt'))
      return globalThis.fetch(url, init);
    return new Promise((_resolve, reject) => {
      init.signal?.addEventListener('abort', () => {
        hungUp.push(true);
        reject(new Error('aborted'));
      });
    });
  };
  const reader = createVerifiedReader(
    createNetwork({
      platform: { ...cast.platform, fetch, storage: createMemoryStorage() },
      anchor: network.anchor,
      nodes: [silent, ...others],
    }),
  );
  const final = await reader.awaitTransaction(transaction.id, { withinMs: 30_000, first: silent });
  expect(final?.transaction.id).toEqual(transaction.id);
  expect(hungUp).toEqual([]);
}, 60_000);

test('a transaction that nobody knows is undefined after its time, and no error', async () => {
  const unknown = new Uint8Array(32) as Parameters<
    typeof cast.connection.reader.awaitTransaction
  >[0];
  const { reader } = cast.connection;
  expect(await reader.awaitTransaction(unknown, { withinMs: 300 })).toBeUndefined();
}, 60_000);
