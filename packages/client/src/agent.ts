/**
 * Agents: family members who hold keys of some labels (QJ-7). By design they read what those labels
 * cover without any trace, so a patient is told before she names one; with "may grant" they can also
 * grant, and every such grant appears in the patient's own walk.
 */
import { type Bytes, CodecError, fromBase64Url, toBase64Url } from '@yilian/crypto/bytes';
import { verifyConditionalKey } from '@yilian/crypto/capsule';
import { type Cbor, decode, encode } from '@yilian/crypto/cbor';
import type { ChainContext } from '@yilian/crypto/context';
import { type Curve, PointError } from '@yilian/crypto/curve';
import { decodeLabel, encodeLabel, type Label, LabelError } from '@yilian/crypto/label';
import type { MemberId } from '@yilian/ledger/ids';
import type { ChainReader } from './chain-reader.ts';
import { ClientError } from './failure.ts';
import { grantLabels, type MadeGrantResult } from './granting.ts';
import type { AgentAuthority } from './keyring.ts';
import type { Network } from './network.ts';
import {
  type AccessLogEntry,
  accessesOfGrant,
  grantsOfWalk,
  type HeldLabel,
  type OwnGrant,
  walkTags,
} from './own-grants.ts';
import type { PatientSecrets } from './patient-secrets.ts';

const PREFIX = 'yilian-agent:';
const CODE_BYTES_MAX = 64 * 1024;

/** D_ℓ of `labels`, as text for the agent's device (to be handed over in person). */
export function exportAuthority(input: {
  readonly curve: Curve;
  readonly secrets: PatientSecrets;
  readonly labels: readonly Label[];
  readonly mayGrant: boolean;
}): string {
  const { curve, secrets, labels, mayGrant } = input;
  const items = labels.map((label) => [
    encodeLabel(label),
    curve.encodeG2(secrets.conditionalKey(label)),
  ]);
  return PREFIX + toBase64Url(encode([curve.encodeG1(secrets.patientKey), items, mayGrant]));
}

/**
 * What an agent's device makes of the text: every key is checked against P.
 * @throws ClientError `badAuthority`
 */
export function importAuthority(
  curve: Curve,
  context: ChainContext,
  name: string,
  text: string,
): AgentAuthority {
  const refuse = (): never => {
    throw new ClientError('badAuthority', 'this is not an authority (yilian-agent:…)');
  };
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) return refuse();
  try {
    const code = fromBase64Url(trimmed.slice(PREFIX.length));
    const value = decode(code, { bytesMax: CODE_BYTES_MAX, depthMax: 3 });
    const [encodedKey, items, mayGrant]: readonly Cbor[] = Array.isArray(value) ? value : [];
    if (!(encodedKey instanceof Uint8Array) || !Array.isArray(items)) return refuse();
    const patientKey = curve.parseG1(encodedKey);
    const labels = (items as readonly Cbor[]).map((item) => {
      const [label, conditionalKey]: readonly Cbor[] = Array.isArray(item) ? item : [];
      if (!(label instanceof Uint8Array) || !(conditionalKey instanceof Uint8Array))
        return refuse();
      const isHers = verifyConditionalKey({
        curve,
        context,
        patientKey,
        label: decodeLabel(label),
        conditionalKey: curve.parseG2(conditionalKey),
      });
      return isHers ? { label, conditionalKey } : refuse();
    });
    return { name, patientKey: encodedKey, labels, mayGrant: mayGrant === true };
  } catch (error) {
    const isForm =
      error instanceof CodecError || error instanceof PointError || error instanceof LabelError;
    if (isForm) return refuse();
    throw error;
  }
}

/** What an agent can do with an authority. */
export interface Agent {
  readonly labels: readonly HeldLabel[];
  /** @throws ClientError `mayNotGrant` for a label beyond the authority, or without "may grant" */
  grantAccess(input: {
    readonly labels?: readonly Label[];
    readonly grantee: MemberId;
    readonly from?: number;
    readonly to: number;
    readonly records?: 'all' | readonly Bytes[];
    readonly purpose: string;
  }): Promise<MadeGrantResult>;
  listGrants(): Promise<readonly OwnGrant[]>;
  accessLog(): Promise<readonly AccessLogEntry[]>;
}

export function createAgent(
  network: Network,
  reader: ChainReader,
  authority: AgentAuthority,
): Agent {
  const { curve } = network.platform;
  const labels: readonly HeldLabel[] = authority.labels.map(({ label, conditionalKey }) => ({
    label: decodeLabel(label),
    conditionalKey: curve.parseG2(conditionalKey),
  }));
  const held = (label: Label): HeldLabel => {
    const name = toBase64Url(encodeLabel(label));
    const found = labels.find((each) => toBase64Url(encodeLabel(each.label)) === name);
    if (found === undefined)
      throw new ClientError('mayNotGrant', 'a label is beyond what this agent was given');
    return found;
  };
  const listGrants = async (): Promise<readonly OwnGrant[]> =>
    grantsOfWalk(network, reader, await walkTags(network, reader, labels));
  return {
    labels,
    listGrants,
    grantAccess: async (input) => {
      if (!authority.mayGrant)
        throw new ClientError('mayNotGrant', 'this agent may read, and may not grant');
      return grantLabels(network, reader, {
        ...input,
        patientKey: curve.parseG1(authority.patientKey),
        labels: input.labels === undefined ? labels : input.labels.map(held),
        tokens: [],
        visitedHospitals: [],
      });
    },
    accessLog: async () => {
      const entries: AccessLogEntry[] = [];
      for (const own of await listGrants())
        entries.push(...(await accessesOfGrant(network, reader, own)));
      return entries;
    },
  };
}
