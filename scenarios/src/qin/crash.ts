/**
 * Faults: a leader that falls silent, kill −9 of one replica in the middle of work, kill −9 of all. What
 * was acknowledged stays, what is asked afterwards works (R16).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accessRequestCommitment } from '@yilian/api/messages-access';
import { submitTransaction } from '@yilian/client/submission';
import { paddedRequestAccess, signTransaction } from '@yilian/ledger/transaction-codec';
import type { TransactionId } from '@yilian/ledger/ids';
import { codeOf } from '../report.ts';
import { signerFor } from './release-request.ts';
import { nowSeconds, type Story } from './story.ts';

/** One small transaction of doctor B; its id when it was acknowledged with a receipt. */
async function submitOne(story: Story): Promise<TransactionId | null> {
  const { doctorB, platform } = story;
  const { network, reader } = doctorB;
  const signer = signerFor(doctorB);
  try {
    const { height } = await reader.head({ fresh: true });
    const unsigned = paddedRequestAccess({
      chainId: network.anchor.chainId,
      commitment: accessRequestCommitment(network.context, {
        handle: platform.randomBytes(32),
        sealed: platform.randomBytes(64),
      }),
      sender: signer.key,
      nonce: platform.randomBytes(16),
      expiryHeight: Number(height) + 1_000,
    });
    const final = await submitTransaction(network, reader, signTransaction(unsigned, [signer]), {
      waitMaxMs: 20_000,
    });
    return final.transaction.id;
  } catch (error) {
    // Unanswered work may be lost; only acknowledged work is promised.
    story.report.note(`one submission went unanswered (${codeOf(error)})`);
    return null;
  }
}

async function submitMany(story: Story, count: number): Promise<readonly TransactionId[]> {
  const acknowledged: TransactionId[] = [];
  for (let i = 0; i < count; i++) {
    const id = await submitOne(story);
    if (id !== null) acknowledged.push(id);
  }
  return acknowledged;
}

/** How many of the acknowledged transactions this one node, asked alone, proves. */
async function provenBy(
  story: Story,
  name: string,
  ids: readonly TransactionId[],
): Promise<number> {
  const { reader } = story.people.connect({ only: [name] });
  let proven = 0;
  for (const id of ids) {
    for (let tries = 0; tries < 40; tries++) {
      const final = await reader.transaction(id).catch(() => undefined);
      if (final !== undefined) {
        proven += 1;
        break;
      }
      await story.platform.wait(250);
    }
  }
  return proven;
}

/** Process ids of the nodes, in the order in which the consortium lists them. */
async function processOf(story: Story, name: string): Promise<number> {
  const pids: unknown = JSON.parse(
    await readFile(join(story.consortium.home, 'processes.json'), 'utf8'),
  );
  const position = story.nodes.findIndex((node) => node.name === name);
  const pid: unknown = Array.isArray(pids) ? pids[position] : undefined;
  if (typeof pid !== 'number') throw new Error(`${name} has no process`);
  return pid;
}

async function silenceLeader(story: Story): Promise<void> {
  const { report } = story;
  const leader = 'tertiary-1';
  const pid = await processOf(story, leader);
  process.kill(pid, 'SIGSTOP');
  let acknowledged: readonly TransactionId[] = [];
  try {
    acknowledged = await submitMany(story, 6);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  report.check(
    `${leader} falls silent, its turns to lead included: the others go on`,
    acknowledged.length === 6,
    `${acknowledged.length} of 6 became final`,
  );
  const caughtUp = await provenBy(story, leader, acknowledged);
  report.check(
    `${leader} speaks again and has caught up`,
    caughtUp === acknowledged.length,
    `${caughtUp} of ${acknowledged.length} proven by it alone`,
  );
}

async function killOne(story: Story): Promise<void> {
  const { report, consortium, main, doctorB } = story;
  const victim = 'secondary-1';
  const before = await submitMany(story, 3);
  const during = submitMany(story, 6);
  await consortium.control(victim, 'kill');
  const acknowledged = [...before, ...(await during)];
  report.check(
    `kill −9 of ${victim} in the middle: the rest goes on`,
    acknowledged.length >= 8,
    `${acknowledged.length} of 9 acknowledged`,
  );

  const made = await main.patient.grantAccess({
    grantee: doctorB.doctor.id,
    to: nowSeconds(story) + 600,
    purpose: 'one node is down',
  });
  await doctorB.doctor.receiveGrant(made.grantId);
  const hit = main.referral?.hits.find(
    ({ ledgerRecord }) => ledgerRecord.institution === 'community-1',
  );
  if (hit === undefined) throw new Error('the community record was found');
  const open = await doctorB.doctor.openRecord({ grantId: made.grantId, hit, purpose: 'urgent' });
  await open.stored.dispose();
  report.check(
    'R16 with one of four hospitals down, a grant and an opening still work',
    open.servedBy.length >= made.threshold,
    `served by ${open.servedBy.join(', ')}`,
  );
  await main.patient.revoke(made.grantId);

  await consortium.control(victim, 'start');
  await consortium.awaitRunning(victim);
  const proven = await provenBy(story, victim, acknowledged);
  report.check(
    `${victim} restarts from its disk and lost nothing that was acknowledged`,
    proven === acknowledged.length,
    `${proven} of ${acknowledged.length} proven by it alone`,
  );
}

async function killAll(story: Story): Promise<void> {
  const { report, consortium, nodes } = story;
  const before = await submitMany(story, 3);
  const during = submitMany(story, 3);
  await story.platform.wait(300);
  await Promise.all(nodes.map(({ name }) => consortium.control(name, 'kill')));
  // What waits is not answered any more.
  const late = during.catch(() => []);
  await Promise.all(nodes.map(({ name }) => consortium.control(name, 'start')));
  for (const { name } of nodes) await consortium.awaitRunning(name);
  const acknowledged = [...before, ...(await late)];
  let worst = acknowledged.length;
  for (const { name } of nodes) worst = Math.min(worst, await provenBy(story, name, acknowledged));
  report.check(
    'kill −9 of all five processes at once: nothing acknowledged is lost at any node',
    worst === acknowledged.length,
    `${worst} of ${acknowledged.length}`,
  );
  const after = await submitMany(story, 2);
  report.check('and the chain goes on', after.length === 2);
}

export async function runCrashes(story: Story): Promise<void> {
  story.report.act('Faults: silence and kill −9');
  await silenceLeader(story);
  await killOne(story);
  await killAll(story);
}
