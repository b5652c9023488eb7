/**
 * What went wrong, for the person in front of it: each code has a sentence and what to do next, in
 * Chinese and English. A code without one does not compile. Names, ids and codes stay as they are.
 */
import { isProblemCode, type ProblemCode } from '@yilian/api/problem';
import type { RejectionCode } from '@yilian/ledger/rejection';
import {
  ClientError,
  NetworkError,
  ProblemError,
  RejectedError,
  type UsageCode,
  type VerificationCode,
  VerificationError,
} from './failure.ts';

export type SentenceLanguage = 'en' | 'zh';

interface Sentence {
  readonly en: string;
  readonly zh: string;
}

type NextStep =
  | 'retry'
  | 'connection'
  | 'otherNode'
  | 'block'
  | 'patient'
  | 'grantAgain'
  | 'shareAgain'
  | 'regulator'
  | 'report'
  | 'anchor'
  | 'clock'
  | 'input'
  | 'enrol'
  | 'keyring'
  | 'passphrase'
  | 'configure'
  | 'hospital'
  | 'holder'
  | 'receipt'
  | 'done'
  | 'tomorrow'
  | 'update';

const NEXT: Record<NextStep, Sentence> = {
  retry: {
    en: 'Try again in a moment.',
    zh: '请稍后重试。',
  },
  connection: {
    en: 'Check the network connection and whether the nodes run, then try again.',
    zh: '请检查网络连接和节点是否在运行，然后重试。',
  },
  otherNode: {
    en: 'Try again: another node is asked.',
    zh: '请重试，将改为询问其他节点。',
  },
  block: {
    en: 'Wait for the next block and try again.',
    zh: '请等待下一个区块后重试。',
  },
  patient: {
    en: 'Ask the patient for a new or wider grant.',
    zh: '请向患者申请新的或范围更大的授权。',
  },
  grantAgain: {
    en: 'The patient grants again.',
    zh: '请患者重新授权。',
  },
  shareAgain: {
    en: 'Have the patient open her program once: it delivers what is missing.',
    zh: '请患者打开一次自己的程序，它会补送缺少的内容。',
  },
  regulator: {
    en: 'Ask the registration centre (regulator).',
    zh: '请联系注册中心（监管机构）。',
  },
  report: {
    en: 'Nothing of the answer was used. Try again with another node, and report this one to the regulator.',
    zh: '该结果未被采用。请改用其他节点重试，并向监管机构报告此节点。',
  },
  anchor: {
    en: "Check this device's clock; then ask the regulator for its present trust anchor.",
    zh: '请检查本机时钟，然后向监管机构索取当前的信任锚。',
  },
  clock: {
    en: "Set this device's clock and try again.",
    zh: '请校准本机时钟后重试。',
  },
  input: {
    en: 'Correct what you entered; unchanged it cannot succeed.',
    zh: '请更正输入；原样重试不会成功。',
  },
  enrol: {
    en: 'Enrol first, with the one-time secret of the registration centre.',
    zh: '请先用注册中心发放的一次性密钥完成注册。',
  },
  keyring: {
    en: 'Choose the right keyring, or recover from the recovery kit.',
    zh: '请选择正确的密钥环，或用恢复包恢复。',
  },
  passphrase: {
    en: 'Type the passphrase again.',
    zh: '请重新输入口令。',
  },
  configure: {
    en: 'Connect to the consortium first.',
    zh: '请先连接联盟。',
  },
  hospital: {
    en: 'Ask the hospital that issued it.',
    zh: '请联系出具它的医院。',
  },
  holder: {
    en: 'Ask the person who holds that right to do it.',
    zh: '请由有此权限的人来做。',
  },
  tomorrow: {
    en: 'Report it again after a day, if it is still so.',
    zh: '如果情况依旧，请一天后再报告。',
  },
  receipt: {
    en: 'Look at its receipt before you send anything again.',
    zh: '再次发送之前，请先查看它的回执。',
  },
  done: {
    en: 'Nothing is left to do.',
    zh: '无需再做什么。',
  },
  update: {
    en: 'Update this program, and report the code if that does not help.',
    zh: '请更新本程序；若仍出现，请报告此代码。',
  },
};

type Row = readonly [en: string, zh: string, next: NextStep];

const NETWORK: Record<NetworkError['code'], Row> = {
  unreachable: ['The node cannot be reached.', '无法连接节点。', 'connection'],
  timeout: ['The node did not answer in time.', '节点没有及时应答。', 'retry'],
  noNodeLeft: ['None of the configured nodes offers this.', '没有节点提供此服务。', 'connection'],
  behind: [
    'The node has not caught up with the chain yet.',
    '节点尚未追上链的最新高度。',
    'otherNode',
  ],
};

const VERIFICATION: Record<VerificationCode, Row> = {
  malformed: ['The answer of the node does not parse.', '节点的应答无法解析。', 'report'],
  chain: [
    'The node is of another chain, or shows two blocks of one height.',
    '节点属于另一条链，或在同一高度给出两个区块。',
    'report',
  ],
  certificate: [
    'Too few hospitals signed the block that the node shows.',
    '节点给出的区块没有足够多医院的签名。',
    'report',
  ],
  staleHeader: [
    'The node shows an old state of the chain.',
    '节点给出的是链的旧状态。',
    'otherNode',
  ],
  staleCheckpoint: [
    "The regulator's checkpoint is too old, or ahead of this device's clock.",
    '监管中心的检查点过旧，或晚于本机时钟。',
    'anchor',
  ],
  fork: [
    'The regulator’s checkpoint contradicts a block that this device has verified. The evidence is kept.',
    '监管中心的检查点与本机核对过的区块矛盾。证据已保存。',
    'regulator',
  ],
  stateProof: [
    'The state that the node shows is not proven.',
    '节点给出的状态缺少证明。',
    'report',
  ],
  logProof: [
    'The log entry that the node shows is not proven.',
    '节点给出的日志条目缺少证明。',
    'report',
  ],
  transactionsRoot: [
    'The transactions are not those of the block.',
    '这些交易不属于该区块。',
    'report',
  ],
  receipt: ['The receipt does not hold.', '回执不成立。', 'report'],
  blobHash: [
    "The bytes of the grant are not those that the chain's hash names.",
    '授权的数据与链上的哈希不符。',
    'report',
  ],
  certificateHash: [
    'The certificate is not the one on chain.',
    '证书不是链上登记的那一份。',
    'report',
  ],
  regulatorSignature: ['The regulator did not sign this.', '这不是监管机构签署的。', 'report'],
  epochProof: [
    "The proof of the hospital's index key does not hold.",
    '医院索引密钥的证明不成立。',
    'report',
  ],
  digest: [
    'The stored record was altered: it does not match the digest on chain.',
    '存储的病历被改动：与链上摘要不符。',
    'report',
  ],
  share: ['The share of the node is wrong.', '节点给出的份额是错的。', 'report'],
  eventCount: [
    'The list of openings is not complete or out of order.',
    '访问记录不完整或次序有误。',
    'report',
  ],
  attestation: ["The store's attestation does not hold.", '存储方的收据不成立。', 'report'],
  grant: ['The grant is not the one on chain.', '授权与链上不符。', 'report'],
  commitment: [
    'The request is not the one that the chain commits to.',
    '请求与链上的承诺不符。',
    'report',
  ],
  authorSignature: [
    'The signature of the author of the record does not hold.',
    '病历书写者的签名不成立。',
    'report',
  ],
};

const USAGE: Record<UsageCode, Row> = {
  tooManyLabels: ['The grant would cover too many parts.', '授权涵盖的部分过多。', 'input'],
  tooFewOperators: [
    'Too few nodes of different operators can hold shares now.',
    '目前可持有份额的不同运营方节点不足。',
    'retry',
  ],
  noLabel: [
    'The grant would cover nothing, or nothing of it is yours.',
    '授权不涵盖任何内容，或其中没有属于您的部分。',
    'input',
  ],
  period: [
    'A grant ends after it begins and lasts at most 100 days.',
    '授权必须晚于开始时间结束，且最长 100 天。',
    'input',
  ],
  notInGrant: ['The grant does not cover this.', '授权不涵盖此内容。', 'patient'],
  grantNotActive: ['The grant is not in force for you.', '该授权目前对您无效。', 'patient'],
  grantVoid: [
    'The grant cannot be used: it was not received, or not made for you.',
    '该授权无法使用：尚未接收，或不是给您的。',
    'grantAgain',
  ],
  noRecord: ['There is no such record of yours.', '没有找到这份病历。', 'input'],
  badVisitPackage: ['The visit code cannot be used here.', '就诊码在此无法使用。', 'input'],
  noNode: ['No node is configured.', '尚未配置节点。', 'configure'],
  noStore: ['Too few stores of the record can be reached.', '可用的病历存储不足。', 'connection'],
  badAnchor: ['This is not a trust anchor of this chain.', '这不是该链的信任锚。', 'anchor'],
  anchorOtherChain: [
    'The trust anchor is of another chain or regulator.',
    '该信任锚属于另一条链或另一个监管机构。',
    'anchor',
  ],
  anchorForged: [
    "The regulator did not sign the trust anchor's checkpoint.",
    '信任锚中的检查点不是监管机构签署的。',
    'anchor',
  ],
  anchorStale: ["The trust anchor's checkpoint is too old.", '信任锚中的检查点已过旧。', 'anchor'],
  trustExpired: [
    'What this device knows of the chain is too old, and no node can renew it.',
    '本机对链的了解过旧，且没有节点可以更新。',
    'anchor',
  ],
  badAuthority: ['This is not an authority for an agent.', '这不是代理授权书。', 'input'],
  badCopy: ['The copy is not of this record.', '该副本不是这份病历。', 'input'],
  badKeyword: [
    'A keyword is written code|…, text|… or class|….',
    '检索词应写作 code|…、text|… 或 class|…。',
    'input',
  ],
  badHandle: ['This is not an address for a request.', '这不是请求地址。', 'input'],
  badCertificate: [
    'The registration centre gave an unusable certificate.',
    '注册中心给出的证书无法使用。',
    'regulator',
  ],
  badKeyring: ['This is not a keyring.', '这不是密钥环。', 'keyring'],
  wrongPassphrase: [
    'The passphrase is wrong, or the keyring was altered.',
    '口令错误，或密钥环被改动。',
    'passphrase',
  ],
  mayNotGrant: [
    'The patient did not give this agent the right to do so.',
    '患者没有给予该代理人此权限。',
    'holder',
  ],
  notEnoughShares: ['Too few nodes served their share.', '提供份额的节点不足。', 'retry'],
  notAuthor: ['Another member wrote this record.', '这份病历由他人书写。', 'holder'],
  notEnrolled: ['This keyring is not enrolled yet.', '该密钥环尚未注册。', 'enrol'],
  slotMismatch: [
    'The record was sealed wrongly: it opens to a key that it does not commit to.',
    '病历封装有误：打开得到的密钥与其承诺不符。',
    'hospital',
  ],
  profileNotAllowed: [
    'The record is sealed in a way that the patient’s certificate does not allow.',
    '病历的封装方式不在患者证书允许之列。',
    'hospital',
  ],
  unknownHospital: ['No node of that hospital is configured.', '没有配置该医院的节点。', 'input'],
  noRegulatorNode: [
    "The regulator's node is not configured.",
    '没有配置监管机构的节点。',
    'configure',
  ],
  unknownMember: ['The chain knows no such member.', '链上没有这位成员。', 'input'],
};

const PROBLEM: Record<ProblemCode, Row> = {
  malformed: ['The node did not understand the request.', '节点无法理解该请求。', 'update'],
  notCanonical: ['The request is encoded wrongly.', '请求的编码有误。', 'update'],
  tooLarge: ['This is larger than the node takes.', '内容超过节点允许的大小。', 'input'],
  unsupportedMediaType: [
    'The node does not take this kind of content.',
    '节点不接受这种内容类型。',
    'update',
  ],
  notFound: ['The node knows nothing under this name.', '节点没有找到。', 'input'],
  methodNotAllowed: ['The node does not offer this.', '节点不提供此操作。', 'update'],
  rangeNotSatisfiable: [
    'That part of the record does not exist.',
    '病历没有这一段内容。',
    'update',
  ],
  originNotAllowed: [
    'The node does not serve this page.',
    '该节点不为此网页提供服务。',
    'regulator',
  ],
  requestExpired: [
    "The request is more than a minute off the node's clock.",
    '请求时间与节点时钟相差超过一分钟。',
    'clock',
  ],
  replayed: ['This request was sent before.', '该请求已发送过。', 'retry'],
  wrongReceiver: ['The request is for another node.', '该请求是发给其他节点的。', 'update'],
  badSignature: ['A signature does not hold.', '签名不成立。', 'keyring'],
  unknownMember: ['Your key is not enrolled on this chain.', '您的密钥尚未在此链注册。', 'enrol'],
  suspendedMember: ['Your membership is suspended.', '您的成员资格已被暂停。', 'regulator'],
  notPermitted: [
    'Your role or hospital does not allow this.',
    '您的角色或所属医院不允许此操作。',
    'holder',
  ],
  rateLimited: ['Too many requests in a short time.', '短时间内请求过多。', 'retry'],
  budgetExhausted: [
    'Your hospital has used up its computing time for now.',
    '您医院的计算额度暂时用完。',
    'retry',
  ],
  poolFull: ['The node has too many waiting transactions.', '节点等待处理的交易过多。', 'retry'],
  nodeBehind: [
    'The node is behind the chain and says nothing it cannot be sure of.',
    '节点落后于链，不就不确定的事作答。',
    'otherNode',
  ],
  shuttingDown: ['The node is stopping.', '节点正在停止。', 'otherNode'],
  notReady: ['The node is still starting.', '节点仍在启动。', 'retry'],
  serviceElsewhere: ['This node does not offer the service.', '此节点不提供该服务。', 'otherNode'],
  internal: [
    'The node failed; the request may or may not have had an effect.',
    '节点出错；请求可能已生效，也可能没有。',
    'receipt',
  ],
  refused: ['A rule of the ledger refused this.', '账本规则拒绝了此操作。', 'input'],
  duplicate: ['This transaction is known already.', '该交易已存在。', 'receipt'],
  notFinal: ['What this refers to is not final yet.', '所指内容尚未最终确定。', 'block'],
  pruned: ['This node does not keep blocks so old.', '此节点不保留如此早的区块。', 'otherNode'],
  waitTimedOut: [
    'The transaction did not become final in time.',
    '交易没有在等待时间内最终确定。',
    'receipt',
  ],
  blobUnknown: [
    'The node does not hold this part of the grant.',
    '节点没有授权的这一部分。',
    'otherNode',
  ],
  blobMismatch: [
    'The bytes are not those that the grant on chain names.',
    '数据与链上授权不符。',
    'grantAgain',
  ],
  grantUnknown: ['The node does not know this grant yet.', '节点尚不知道此授权。', 'block'],
  grantPending: [
    'Too few nodes have confirmed the grant yet.',
    '确认该授权的节点尚不足。',
    'block',
  ],
  grantNotStarted: ['The grant has not begun yet.', '授权尚未开始。', 'retry'],
  grantExpired: ['The grant has expired.', '授权已到期。', 'patient'],
  grantRevoked: ['The patient has revoked the grant.', '患者已撤回授权。', 'patient'],
  notGrantee: ['The grant is for somebody else.', '该授权是给别人的。', 'patient'],
  notHolder: ['The node holds no share of this grant.', '节点不持有此授权的份额。', 'otherNode'],
  shareMissing: ['The node has not received its share.', '节点尚未收到份额。', 'shareAgain'],
  shareLost: ['The node has lost or erased its share.', '节点的份额已丢失或销毁。', 'otherNode'],
  shareVoid: [
    'The share came after its key had been erased at the node.',
    '份额送达时，节点的对应密钥已销毁。',
    'grantAgain',
  ],
  narrowingMissing: [
    'The node has not received how the grant was narrowed.',
    '节点尚未收到授权缩小的说明。',
    'shareAgain',
  ],
  accessUnknown: ['The opening is not final yet.', '本次访问尚未最终确定。', 'block'],
  accessExpired: [
    'The opening was recorded more than a minute ago.',
    '本次访问的记录已超过一分钟。',
    'retry',
  ],
  accessMismatch: [
    'The recorded opening names nothing of this grant.',
    '所记录的访问与此授权不符。',
    'retry',
  ],
  recordNotCovered: ['The grant does not cover this record.', '授权不涵盖这份病历。', 'patient'],
  recordUnknown: ['The node does not know this record yet.', '节点尚不知道这份病历。', 'block'],
  evidenceInvalid: [
    'The evidence does not show that the node did wrong.',
    '证据不能说明该节点有错。',
    'done',
  ],
  commitmentMismatch: [
    'The request is not the one that the chain commits to.',
    '请求与链上的承诺不符。',
    'retry',
  ],
  certificateInvalid: [
    'The certificate does not hold or is out of date.',
    '证书无效或已过期。',
    'regulator',
  ],
  inboxFull: ["The patient's inbox for this address is full.", '患者此地址的收件箱已满。', 'retry'],
  tokenInvalid: [
    'The node could not read the search tokens of this grant.',
    '节点无法读取此授权的检索陷门。',
    'grantAgain',
  ],
  possessionInvalid: [
    'The visit package does not prove that it is the patient’s.',
    '就诊包不能证明属于该患者。',
    'input',
  ],
  epochClosed: ["The hospital's day of this key is over.", '该密钥所属的日期已结束。', 'retry'],
  recordInvalid: ['The hospital does not sign this record.', '医院不签署这份病历。', 'hospital'],
  digestMismatch: ['The bytes arrived damaged at the store.', '数据到达存储方时已损坏。', 'retry'],
  alreadyStored: ['Other bytes are stored under this name.', '该名称下已存有其他数据。', 'retry'],
  ciphertextUnknown: ['The store does not have the record.', '该存储方没有这份病历。', 'otherNode'],
  ciphertextLost: ['The store has lost the record.', '该存储方丢失了这份病历。', 'otherNode'],
  ciphertextDamaged: [
    'The record is damaged at this store.',
    '该存储方的病历已损坏。',
    'otherNode',
  ],
  storeUnavailable: ['The store does not answer.', '该存储方没有响应。', 'otherNode'],
  storeTimedOut: ['The store answers too slowly.', '该存储方响应过慢。', 'otherNode'],
  storeRefused: ['The store refuses its own node.', '存储服务拒绝了该节点。', 'otherNode'],
  enrolmentRefused: [
    'The enrolment secret is unknown, used, or for somebody else.',
    '注册密钥未知、已使用，或不是给您的。',
    'regulator',
  ],
  requestInvalid: ['The certificate request does not hold.', '证书申请不成立。', 'update'],
};

const REJECTION: Record<RejectionCode, Row> = {
  malformed: ['The transaction does not parse.', '交易无法解析。', 'update'],
  notCanonical: ['The transaction is encoded wrongly.', '交易的编码有误。', 'update'],
  tooLarge: ['The transaction is too large.', '交易过大。', 'input'],
  tooDeep: ['The transaction is nested too deeply.', '交易嵌套过深。', 'update'],
  wrongChain: ['The transaction is for another chain.', '交易属于另一条链。', 'configure'],
  wrongSigners: ['The transaction has the wrong signers.', '交易的签名者不对。', 'update'],
  signatureInvalid: [
    'A signature of the transaction does not hold.',
    '交易的签名不成立。',
    'keyring',
  ],
  expired: ['The transaction came too late.', '交易已过有效期。', 'retry'],
  expiryTooFar: ['The transaction would be valid for too long.', '交易有效期过长。', 'update'],
  duplicate: ['The transaction is on chain already.', '该交易已在链上。', 'receipt'],
  senderUnknown: ['The sender is not enrolled.', '发送者尚未注册。', 'enrol'],
  senderSuspended: ['The sender is suspended.', '发送者已被暂停。', 'regulator'],
  roleNotAllowed: [
    'The role of the sender does not allow this.',
    '发送者的角色不允许此操作。',
    'holder',
  ],
  roleReserved: [
    'This role is given at the beginning only.',
    '该角色只在建链时设定。',
    'regulator',
  ],
  memberExists: ['This member is enrolled already.', '该成员已注册。', 'done'],
  memberUnknown: ['The chain knows no such member.', '链上没有该成员。', 'input'],
  keyUsed: ['This key belonged to a member before.', '该密钥曾属于某位成员。', 'regulator'],
  patientExists: ['This patient is enrolled already.', '该患者已注册。', 'done'],
  patientUnknown: ['The chain knows no such patient.', '链上没有该患者。', 'regulator'],
  statusUnchanged: ['The status is that already.', '状态没有变化。', 'done'],
  notTheMember: [
    'Only the member or the regulator may do this.',
    '只有本人或监管机构可以这样做。',
    'holder',
  ],
  dayOutOfRange: ['The day lies too far away.', '日期超出允许范围。', 'clock'],
  dayPublished: ['The key of that day is published already.', '当天的密钥已发布。', 'done'],
  wrongLength: ['A field has the wrong length.', '字段长度有误。', 'update'],
  recordExists: ['This record is on chain already.', '该病历已在链上。', 'done'],
  recordUnknown: ['The chain knows no such record.', '链上没有该病历。', 'input'],
  numberNotNext: [
    'Somebody wrote to this visit in the meantime.',
    '其间已有人为本次就诊写入病历。',
    'retry',
  ],
  notTheVisit: ['The visit key did not sign this.', '没有就诊密钥的签名。', 'input'],
  notTheInstitution: ['The record is of another hospital.', '病历属于另一家医院。', 'hospital'],
  authorMissing: ['The author has not signed.', '缺少书写者的签名。', 'hospital'],
  authorNotAllowed: [
    'The author may not write for this hospital.',
    '书写者无权为该医院书写。',
    'hospital',
  ],
  attestationNotAllowed: ['That store may not attest this.', '该存储方无权出具此收据。', 'update'],
  attestationsTooFew: [
    'Too few stores of different operators hold the record.',
    '持有病历的不同运营方存储不足。',
    'connection',
  ],
  epochKeyDiffers: [
    "The hospital's key of that day is another one.",
    '医院当天的密钥与此不同。',
    'retry',
  ],
  amendsAnother: [
    'The amendment names a record of another visit.',
    '更正所指的病历属于另一次就诊。',
    'input',
  ],
  marksRepeated: ['A mark is stated twice.', '标记重复。', 'input'],
  alreadyAnswered: ['The record was answered already.', '该病历已签收或已提出异议。', 'done'],
  storeNotNamed: ['The record does not name this store.', '病历没有指定该存储方。', 'update'],
  auditorNotAllowed: [
    'Only operators whose stores keep the record report on its copies.',
    '只有保存该病历的存储运营方才能报告其副本。',
    'input',
  ],
  findingKnown: ['That finding is on chain already.', '该结果已在链上。', 'done'],
  findingTooSoon: [
    'This operator reported a loss of this copy less than a day ago.',
    '该运营方在一天之内已报告过此副本丢失。',
    'tomorrow',
  ],
  nothingToRestore: [
    'No loss of this copy was reported that this could answer.',
    '没有可以对应的副本丢失报告。',
    'done',
  ],
  grantExists: ['This grant is on chain already.', '该授权已在链上。', 'done'],
  grantUnknown: ['The chain knows no such grant.', '链上没有该授权。', 'input'],
  tagUsed: ['A tag of the grant was used before.', '授权的标记曾被使用。', 'retry'],
  tagRepeated: ['A tag of the grant occurs twice.', '授权的标记重复。', 'update'],
  notATag: ['The key is not a tag of this grant.', '该密钥不是此授权的标记。', 'holder'],
  granteeNotAllowed: ['This member cannot be granted access.', '不能向该成员授权。', 'input'],
  holderIndex: ['The shares are numbered wrongly.', '份额编号有误。', 'update'],
  holderNotAllowed: ['A chosen node may not hold shares.', '所选节点不能持有份额。', 'retry'],
  holderOfGrantee: [
    "The doctor's own hospital may not hold a share.",
    '医生所在医院不能持有份额。',
    'retry',
  ],
  operatorRepeated: ['One operator would hold two shares.', '同一运营方将持有两份份额。', 'retry'],
  threshold: ['The threshold of the grant is not allowed.', '授权的门限不合规定。', 'update'],
  blobCount: ['The grant has the wrong number of parts.', '授权的组成部分数目有误。', 'update'],
  periodTooLong: ['A grant lasts at most 100 days.', '授权最长 100 天。', 'input'],
  periodOver: ['The grant would be over already.', '授权在生效前就已结束。', 'input'],
  periodWidened: ['A grant can only be shortened.', '授权只能缩短。', 'input'],
  narrowingsFull: [
    'The grant was narrowed too often; revoke it and grant anew.',
    '授权缩小次数过多；请撤回后重新授权。',
    'grantAgain',
  ],
  grantRevoked: ['The grant is revoked.', '授权已撤回。', 'patient'],
  grantPending: ['The grant is not confirmed yet.', '授权尚未得到确认。', 'block'],
  grantNotStarted: ['The grant has not begun yet.', '授权尚未开始。', 'retry'],
  grantExpired: ['The grant has expired.', '授权已到期。', 'patient'],
  grantNotEnded: ['The grant is still in force.', '授权仍然有效。', 'retry'],
  notTheGrantee: ['The grant is for somebody else.', '该授权是给别人的。', 'patient'],
  notAHolder: ['The node holds no share of this grant.', '节点不持有此授权的份额。', 'otherNode'],
  alreadyReported: ['This was reported already.', '此事已报告。', 'done'],
  numberUnknown: ['There is no opening of that number.', '没有该编号的访问。', 'input'],
  reportEmpty: ['The report says nothing.', '报告没有内容。', 'update'],
  reportRepeated: ['The report says a thing twice.', '报告内容重复。', 'update'],
  notANode: ['The accused is not a node.', '被指控者不是节点。', 'input'],
  evidenceKnown: ['This evidence was judged already.', '该证据已有裁定。', 'done'],
  epochPassed: [
    'The validators have changed since this was written.',
    '撰写之后验证者已变更。',
    'input',
  ],
  validatorsUnordered: [
    'The validators are not in the order of their keys, or one is named twice.',
    '验证者未按公钥排序，或有重复。',
    'input',
  ],
  powerNotAllowed: [
    'A voting power is not allowed: 1 for everybody in mode "equal", at least 1 in mode "stake".',
    '投票权不合规：equal 模式下均为 1，stake 模式下至少为 1。',
    'input',
  ],
  leadersTooFew: [
    'More than a third of the voting power must be of hospitals that lead.',
    '出块医院的投票权必须超过三分之一。',
    'input',
  ],
  operatorTooStrong: [
    'One operator would hold a third of the voting power or more.',
    '某运营方将持有三分之一或以上的投票权。',
    'input',
  ],
  changeTooLarge: [
    'A third of the voting power or more would change at once: do it in steps.',
    '一次变更达到或超过三分之一的投票权，请分步进行。',
    'input',
  ],
  validatorsUnchanged: ['Nothing would change.', '没有任何变更。', 'done'],
  changeUnknown: [
    'This change of validators does not wait for approval (any more).',
    '该验证者变更（已）不在等待批准。',
    'input',
  ],
  changeLapsed: [
    'The change of validators has lapsed: the regulator must put it to the vote again.',
    '该验证者变更已过期，需由监管方重新提出。',
    'regulator',
  ],
  notAValidator: [
    'The key is no validator of this chain and is not to become one.',
    '该公钥不是本链的验证者，也不在拟议名单中。',
    'input',
  ],
  alreadyApproved: ['This key has approved already.', '该公钥已批准。', 'done'],
};

/** A failure in words. */
export interface FailureInWords {
  readonly code: string;
  readonly sentence: string;
  readonly next: string;
  /** Name of the node that it is about, where it is about one. */
  readonly node: string | null;
}

function wordsOf(
  code: string,
  [en, zh, next]: Row,
  language: SentenceLanguage,
  node: string | undefined,
): FailureInWords {
  return {
    code,
    sentence: language === 'zh' ? zh : en,
    next: NEXT[next][language],
    node: node ?? null,
  };
}

function isRejectionCode(code: string): code is RejectionCode {
  return Object.hasOwn(REJECTION, code);
}

/** A newer node or chain may have codes that this program does not know. */
const UNKNOWN: Row = [
  'This was refused for a reason that this program does not know.',
  '操作被拒绝，原因是本程序不认识的。',
  'update',
];

/** What a node answered with, by the code of its problem; the ledger's reason, where there is one. */
export function problemInWords(
  problem: { readonly code: string; readonly rejection?: string | undefined },
  language: SentenceLanguage,
  node?: string,
): FailureInWords {
  const { code, rejection } = problem;
  if (rejection !== undefined && isRejectionCode(rejection))
    return wordsOf(rejection, REJECTION[rejection], language, node);
  if (code === 'unreachable') return wordsOf(code, NETWORK.unreachable, language, node);
  return wordsOf(code, isProblemCode(code) ? PROBLEM[code] : UNKNOWN, language, node);
}

/** Null: it is none of this client's failures (a bug, or of the platform). */
export function failureInWords(error: unknown, language: SentenceLanguage): FailureInWords | null {
  if (error instanceof NetworkError)
    return wordsOf(error.code, NETWORK[error.code], language, error.source?.node);
  if (error instanceof VerificationError)
    return wordsOf(error.code, VERIFICATION[error.code], language, error.source.node);
  if (error instanceof ProblemError) return problemInWords(error, language, error.source.node);
  if (error instanceof RejectedError)
    return wordsOf(
      error.code,
      isRejectionCode(error.code) ? REJECTION[error.code] : UNKNOWN,
      language,
      undefined,
    );
  if (error instanceof ClientError) {
    const { code, reason } = error;
    // The code says what cannot be done, the reason why.
    return wordsOf(
      code,
      reason === undefined ? USAGE[code] : REJECTION[reason],
      language,
      undefined,
    );
  }
  return null;
}

/** Every code with its sentence, by kind: for the test that walks them. */
export const SENTENCES: Readonly<
  Record<
    'network' | 'verification' | 'usage' | 'problem' | 'rejection',
    Readonly<Record<string, Row>>
  >
> = {
  network: NETWORK,
  verification: VERIFICATION,
  usage: USAGE,
  problem: PROBLEM,
  rejection: REJECTION,
};
