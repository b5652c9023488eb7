/**
 * Gives stores that lost or damaged a record its bytes again: from another store, or from a sealed copy
 * that the patient or the author kept. Nobody need be asked or named: whoever knows the object key and
 * has the bytes that the chain describes may put them back, and can put nothing else there.
 */
import { ROUTES } from '@yilian/api/routes';
import { type Bytes, equalBytes } from '@yilian/crypto/bytes';
import { EnvelopeError } from '@yilian/crypto/envelope/envelope-error';
import type { Suite } from '@yilian/crypto/context';
import { storageAttestationMessage } from '@yilian/ledger/checks';
import type { LedgerRecord } from '@yilian/ledger/contracts/records/record';
import type { ChainReader } from './chain-reader.ts';
import { ClientError, NetworkError, ProblemError, VerificationError } from './failure.ts';
import type { Network } from './network.ts';
import { fetchFrom, type StoredRecord, storesOf, verifyCopy } from './stored-record.ts';
import type { NodeEndpoint } from './transport.ts';

/** What one store had, and what became of it. */
export interface StoreRepair {
  /** Name of the node that serves the store. */
  readonly node: string;
  readonly found: 'good' | 'missing' | 'altered' | 'unreachable';
  /** `unneeded` where it was good, `impossible` where nobody had a good copy. */
  readonly outcome: 'unneeded' | 'repaired' | 'impossible' | 'failed';
  /** Why it failed, or what the store answered. */
  readonly code: string | null;
}

export interface RepairInput {
  readonly ledgerRecord: LedgerRecord;
  readonly objectKey: Bytes;
  /** A sealed copy that was kept; checked like any other. */
  readonly copy?: Blob;
  readonly allowedSuites?: readonly Suite[];
}

const ALL_SUITES: readonly Suite[] = ['intl', 'paper'];

interface Looked {
  readonly node: NodeEndpoint;
  readonly found: StoreRepair['found'];
  readonly code: string | null;
  readonly stored: StoredRecord | null;
}

async function look(network: Network, node: NodeEndpoint, input: RepairInput): Promise<Looked> {
  const { ledgerRecord, objectKey, allowedSuites = ALL_SUITES } = input;
  try {
    const stored = await fetchFrom(network, node, ledgerRecord, objectKey, { allowedSuites });
    return { node, found: 'good', code: null, stored };
  } catch (error) {
    const failed = { node, stored: null };
    if (error instanceof VerificationError) {
      network.reportLie(error);
      return { ...failed, found: 'altered', code: error.code };
    }
    if (error instanceof NetworkError) return { ...failed, found: 'unreachable', code: error.code };
    if (!(error instanceof ProblemError)) throw error;
    const found =
      error.code === 'ciphertextUnknown' || error.code === 'ciphertextLost'
        ? 'missing'
        : error.code === 'ciphertextDamaged'
          ? 'altered'
          : 'unreachable';
    return { ...failed, found, code: error.code };
  }
}

/** @throws VerificationError `attestation` when the store did not sign for what it was given */
async function give(
  network: Network,
  reader: ChainReader,
  node: NodeEndpoint,
  input: RepairInput,
  object: Blob,
): Promise<void> {
  const { ledgerRecord, objectKey } = input;
  const route = ROUTES.repairCiphertext;
  const source = { node: node.name, route: route.name };
  const answer = await network.transport.upload(node, route, {
    params: { objectKey, recordId: ledgerRecord.id },
    body: object,
  });
  const member = node.store === null ? undefined : await reader.member(node.store);
  const isSigned =
    member !== undefined &&
    equalBytes(answer.store, member.id) &&
    network.platform.verifySignature({
      publicKey: member.key,
      message: storageAttestationMessage(network.context, ledgerRecord),
      signature: answer.signature,
    });
  if (!isSigned)
    throw new VerificationError('attestation', source, 'the store did not sign for the repair');
}

async function mend(
  network: Network,
  reader: ChainReader,
  { node, found }: Looked,
  input: RepairInput,
  object: Blob,
): Promise<StoreRepair> {
  const told = { node: node.name, found };
  try {
    await give(network, reader, node, input, object);
    // A store that merely says so is looked at again.
    const after = await look(network, node, input);
    await after.stored?.dispose();
    return after.found === 'good'
      ? { ...told, outcome: 'repaired', code: null }
      : { ...told, outcome: 'failed', code: after.code };
  } catch (error) {
    if (error instanceof VerificationError) network.reportLie(error);
    else if (!(error instanceof NetworkError || error instanceof ProblemError)) throw error;
    return { ...told, outcome: 'failed', code: error.code };
  }
}

/**
 * Looks at every store of the record and repairs those that have not what the chain says.
 * @throws ClientError `noStore` when none is configured, `badCopy` when the given copy is of something else
 */
export async function repairRecord(
  network: Network,
  reader: ChainReader,
  input: RepairInput,
): Promise<readonly StoreRepair[]> {
  const { ledgerRecord, copy, allowedSuites = ALL_SUITES } = input;
  const stores = storesOf(network, ledgerRecord);
  if (stores.length === 0)
    throw new ClientError('noStore', 'none of the stores that keep this record is configured');
  if (copy !== undefined) await requireCopy(network, copy, ledgerRecord, allowedSuites);
  const looked: Looked[] = [];
  try {
    for (const node of stores) looked.push(await look(network, node, input));
    const good = copy ?? looked.find(({ stored }) => stored !== null)?.stored?.object;
    const repairs: StoreRepair[] = [];
    for (const each of looked) {
      const told = { node: each.node.name, found: each.found, code: each.code };
      if (each.found === 'good') repairs.push({ ...told, outcome: 'unneeded' });
      else if (good === undefined) repairs.push({ ...told, outcome: 'impossible' });
      else repairs.push(await mend(network, reader, each, input, good));
    }
    return repairs;
  } finally {
    for (const { stored } of looked) await stored?.dispose();
  }
}

async function requireCopy(
  network: Network,
  copy: Blob,
  ledgerRecord: LedgerRecord,
  allowedSuites: readonly Suite[],
): Promise<void> {
  try {
    if (copy.size !== ledgerRecord.length)
      throw new EnvelopeError('digest', 'it has another length');
    await verifyCopy(network, copy, ledgerRecord, { allowedSuites });
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    throw new ClientError('badCopy', `the copy is not this record: ${error.message}`);
  }
}
