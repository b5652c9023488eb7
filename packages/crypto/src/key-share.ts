/**
 * A node's share of a grant: checked once when it comes, kept, and used for every re-encryption
 * (proxy-re-encryption.ts, whose header has the theory and the notation).
 */
import type { Brand } from './brand.ts';
import { type Bytes, concatBytes, equalBytes, type RandomBytes } from './bytes.ts';
import { decode, encode } from './cbor.ts';
import { type Curve, type G1, G1_BYTES, type G2, G2_BYTES } from './curve.ts';
import { Fields } from './fields.ts';
import { GRANT_LABEL_COUNT } from './grant-body.ts';
import type { NodeShare } from './grant-share.ts';
import { type GrantId, toGrantId } from './ids.ts';
import { evaluateCommitments } from './threshold.ts';

/** A node's share after `verifyNodeShare`: the only form that `reEncrypt` takes. */
export type KeyShare = Brand<
  {
    readonly grantId: GrantId;
    readonly index: number;
    /** V(i) */
    readonly verificationKey: G1;
    /** Q_ℓ and D_{i,ℓ} */
    readonly keys: readonly { readonly point: G2; readonly key: G2 }[];
  },
  'VerifiedKeyShare'
>;

/**
 * The node's check, once per grant: e(V(i), Q_ℓ) = e(g1, D_{i,ℓ}) for every label, as one equation with
 * random 128-bit weights chosen after the share is fixed. Returns nothing when a share is wrong.
 */
export function verifyNodeShare(input: {
  readonly curve: Curve;
  readonly share: NodeShare;
  readonly randomBytes: RandomBytes;
}): KeyShare | undefined {
  const { curve, share, randomBytes } = input;
  const { index, body, keys } = share;
  if (!body.nodes.some((node) => node.index === index)) return undefined;
  if (keys.length !== body.points.length) return undefined;
  if (body.commitments.length === 0) return undefined;
  if (body.commitments.some((point) => curve.isIdentityG1(point))) return undefined;
  const verificationKey = evaluateCommitments(curve, body.commitments, index);
  if (curve.isIdentityG1(verificationKey)) return undefined;
  const pairs: { point: G2; key: G2 }[] = [];
  for (const [position, key] of keys.entries()) {
    const point = body.points[position];
    if (point === undefined || curve.isIdentityG2(point) || curve.isIdentityG2(key))
      return undefined;
    pairs.push({ point, key });
  }
  const { point, key } = weighPairs(curve, pairs, randomBytes);
  const sound = curve.pairingsEqual(
    [{ g1: verificationKey, g2: point }],
    [{ g1: curve.g1, g2: key }],
  );
  if (!sound) return undefined;
  return { grantId: body.grantId, index, verificationKey, keys: pairs } as unknown as KeyShare;
}

function weighPairs(
  curve: Curve,
  pairs: readonly { readonly point: G2; readonly key: G2 }[],
  randomBytes: RandomBytes,
): { readonly point: G2; readonly key: G2 } {
  const [first, ...rest] = pairs;
  if (first === undefined) throw new Error('a grant has a label');
  if (rest.length === 0) return first;
  // A fixed weight of 1 for the first loses nothing: the other weights are fresh.
  const weights = rest.map(() => curve.reduceToScalar(randomBytes(16)));
  const weigh = (points: readonly G2[]): G2 =>
    curve.sumG2(
      points.map((point, i) => ({ point, scalar: weights[i] ?? curve.scalarFromInteger(0n) })),
    );
  return {
    point: curve.addG2(first.point, weigh(rest.map((pair) => pair.point))),
    key: curve.addG2(first.key, weigh(rest.map((pair) => pair.key))),
  };
}

/** How a node keeps a verified share: [grantId, i, V(i), [[Q_ℓ, D_{i,ℓ}]]]. To be encrypted at rest. */
export function encodeKeyShare(curve: Curve, share: KeyShare): Bytes {
  return encode([
    share.grantId,
    share.index,
    curve.encodeG1(share.verificationKey),
    share.keys.map(({ point, key }) => concatBytes(curve.encodeG2(point), curve.encodeG2(key))),
  ]);
}

/**
 * A share that this node verified and stored before. Only for bytes out of the node's own authenticated
 * store: encodings are checked, the pairing equation is not.
 * @throws CodecError, PointError
 */
export function restoreKeyShare(curve: Curve, bytes: Bytes): KeyShare {
  const fields = Fields.of(decode(bytes), 4);
  const share = {
    grantId: toGrantId(fields.bytes()),
    index: fields.whole(),
    verificationKey: curve.parseG1(fields.bytes(G1_BYTES)),
    keys: fields.list(GRANT_LABEL_COUNT, (list) => {
      const pair = list.bytes(2 * G2_BYTES);
      return {
        point: curve.parseG2(pair.subarray(0, G2_BYTES)),
        key: curve.parseG2(pair.subarray(G2_BYTES)),
      };
    }),
  };
  return share as unknown as KeyShare;
}

/** The share of one label, found by the bytes of its point. */
export function findLabelKey(
  curve: Curve,
  share: KeyShare,
  point: Bytes,
): { readonly point: G2; readonly key: G2 } | undefined {
  return share.keys.find((candidate) => equalBytes(curve.encodeG2(candidate.point), point));
}
