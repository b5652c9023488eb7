import { USAGE_MESSAGES, type UsageMessageName } from './usage-messages.ts';

/** What the command says, in English and Chinese. Data (ids, codes) is the same in both. */
export type Language = 'en' | 'zh';

const OWN_MESSAGES = {
  networkMade: {
    en: '{nodes} institutions in {out}; start them here with "yilian network up {out}"',
    zh: '{out} 中已有 {nodes} 个机构；在本机启动：yilian network up {out}',
  },
  networkKeys: {
    en: 'Each folder under nodes/ holds one institution’s keys: carry it there, and delete it here.',
    zh: 'nodes/ 下每个目录含一个机构的密钥：请分别交付各机构，并在此删除。',
  },
  networkJoined: {
    en: 'trust begins at header {height}; start the node with "yilian node --home {home}"',
    zh: '信任起点为区块头 {height}；启动节点：yilian node --home {home}',
  },
  networkJoinedByBlocks: {
    en: 'the chain has no snapshot yet: all its blocks are fetched; start the node with "yilian node --home {home}"',
    zh: '该链尚无快照，将获取全部区块；启动节点：yilian node --home {home}',
  },
  hospitalStated: {
    en: '{institution} ({tier}, operator {operator}) wants to join {chain}',
    zh: '{institution}（{tier}，运营方 {operator}）申请加入 {chain}',
  },
  hospitalMet: {
    en: 'host {host}, {url}, ports: HTTP {http}, nodes {peer}, engines {engine}',
    zh: '主机 {host}，{url}，端口：HTTP {http}，节点 {peer}，引擎 {engine}',
  },
  homePrepared: {
    en: 'keys and genesis are in {home}; keys.json never leaves it. Send {request} to the regulator.',
    zh: '密钥和创世文件已写入 {home}；keys.json 不得离开该目录。请将 {request} 发给监管方。',
  },
  fingerprint: { en: 'fingerprint: {fingerprint}', zh: '指纹：{fingerprint}' },
  compareFingerprint: {
    en: 'have {institution} read its fingerprint to you by phone; when it is the same, run this again with --fingerprint "…" --out FILE',
    zh: '请 {institution} 在电话中读出其指纹；一致时再次运行本命令，并加上 --fingerprint "…" --out 文件',
  },
  answerWritten: {
    en: 'send {out} to {institution}: it is good until block {height}, and can be made again at any time',
    zh: '请将 {out} 发给 {institution}：有效至区块 {height}，可随时重新生成',
  },
  secretMade: {
    en: 'give it to the person, in person; the regulator’s node takes it up within seconds',
    zh: '请当面交给本人；监管方节点数秒内即可受理',
  },
  memberEnrolled: { en: '{role} is enrolled', zh: '{role} 已登记' },
  signStateKept: {
    en: 'What this validator signed before stands in its folder and stays.',
    zh: '该验证者此前的签名状态文件已存在，保持不变。',
  },
  nodeAnswers: { en: '{institution} answers', zh: '{institution} 已就绪' },
  nodeStands: {
    en: '{institution}  {url}  process {pid}  height {height}  peers {peers}',
    zh: '{institution}  {url}  进程 {pid}  高度 {height}  对等节点 {peers}',
  },
  nodeSilent: {
    en: '{institution}  {url}  process {pid}  no answer',
    zh: '{institution}  {url}  进程 {pid}  无应答',
  },
  nodesStopped: { en: '{nodes} nodes stopped', zh: '已停止 {nodes} 个节点' },
  nodeEnded: { en: 'the node ended with code {code}', zh: '节点已退出，代码 {code}' },
  nodeHalted: {
    en: '{institution}  {url}  process {pid}  height {height}  HALTED',
    zh: '{institution}  {url}  进程 {pid}  高度 {height}  已停机',
  },
  badNetworkFile: { en: 'the network file is not as it must be', zh: '网络文件有误' },
  networkExists: { en: 'the folder exists already', zh: '目录已存在' },
  engineMissing: {
    en: 'there is no usable CometBFT on this machine',
    zh: '本机没有可用的 CometBFT',
  },
  noNetwork: { en: 'there is no network in this folder', zh: '该目录中没有网络' },
  nodeNotReady: { en: '{institution} did not start', zh: '{institution} 未能启动' },
  nextNetworkFile: {
    en: 'correct the place that is named; the README has an example',
    zh: '请修正所指位置；README 中有示例',
  },
  nextNetworkExists: {
    en: 'keys are made once: start what is there, or choose another folder',
    zh: '密钥只生成一次：请启动已有网络，或选择其他目录',
  },
  nextConsortiumFile: {
    en: 'name the consortium.json that the consortium hands out',
    zh: '请给出联盟发放的 consortium.json',
  },
  nextEngine: {
    en: 'put CometBFT v0.38 on PATH, name it in YILIAN_COMETBFT, or install Go 1.22 or later',
    zh: '请将 CometBFT v0.38 加入 PATH，或用 YILIAN_COMETBFT 指定，或安装 Go 1.22 以上版本',
  },
  nextNetworkInit: {
    en: 'make one with `yilian network init --hospitals FILE --out DIR`',
    zh: '请先运行 `yilian network init --hospitals FILE --out DIR`',
  },
  nextNodeLog: {
    en: 'node.log in the institution’s folder says why; docs/operations.md says what to do',
    zh: '原因见该机构目录中的 node.log；处理办法见 docs/operations.md',
  },
  validatorsNow: {
    en: 'epoch {epoch}, mode {mode}, as of block {height}; * has the turn',
    zh: '第 {epoch} 届，{mode} 模式，区块 {height}；* 为当前出块者',
  },
  validatorLeads: {
    en: '{turn} {institution}  operator {operator}  power {power}/{total}  leads  {key}',
    zh: '{turn} {institution}  运营方 {operator}  投票权 {power}/{total}  出块  {key}',
  },
  validatorVerifies: {
    en: '{turn} {institution}  operator {operator}  power {power}/{total}  verifies  {key}',
    zh: '{turn} {institution}  运营方 {operator}  投票权 {power}/{total}  验证  {key}',
  },
  misbehaved: {
    en: '! {institution}: {kind} at height {at}, proven in block {reportedAt}',
    zh: '! {institution}：高度 {at} 出现 {kind}，已于区块 {reportedAt} 证实',
  },
  changeWaits: {
    en: 'waits for approval until {until}, {approvals} so far: change {hash}, mode {mode}',
    zh: '等待批准至 {until}，已有 {approvals} 个批准：变更 {hash}，{mode} 模式',
  },
  changeProposed: {
    en: 'change {hash} waits for approval: each hospital reads it with "yilian validators" and runs "yilian validators approve"',
    zh: '变更 {hash} 等待批准：各医院用 yilian validators 查看，再运行 yilian validators approve',
  },
  changeApproved: {
    en: 'change {hash} is approved by this node; others are still to come',
    zh: '本节点已批准变更 {hash}；尚待其他节点',
  },
  changeActs: {
    en: 'approved by all that it needs: in force from block {from} on',
    zh: '批准已足够：自区块 {from} 起生效',
  },
  connected: {
    en: 'connected to {chain} with {nodes} nodes',
    zh: '已连接 {chain}，共 {nodes} 个节点',
  },
  keysMade: { en: 'keys for {name} written to {file}', zh: '{name} 的密钥已写入 {file}' },
  kitWritten: {
    en: 'recovery kit written to {file}: whoever has it is you; print it and delete the file',
    zh: '恢复包已写入 {file}：持有它的人即等于您本人；请打印后删除文件',
  },
  enrolled: { en: '{name} is enrolled', zh: '{name} 已注册' },
  visitReady: {
    en: 'visit code for {hospital} (show it at the desk):',
    zh: '{hospital} 的就诊码（在窗口出示）：',
  },
  handleReady: {
    en: 'handle for a request (give it to the doctor):',
    zh: '请求地址（交给医生）：',
  },
  'copy.lost': { en: '! {institution} lost its copy', zh: '! {institution} 的副本已丢失' },
  'copy.reported': {
    en: '! the copy of {institution} is said to be lost; "yilian repair" looks and mends',
    zh: '! 有报告称 {institution} 的副本丢失；可用 yilian repair 检查并恢复',
  },
  'copy.disputed': {
    en: '? the copy of {institution} is said to be lost, which it denies; "yilian repair" looks',
    zh: '? 有报告称 {institution} 的副本丢失，该机构否认；可用 yilian repair 检查',
  },
  'copy.restored': {
    en: 'the copy of {institution} is there again',
    zh: '{institution} 的副本已恢复',
  },
  'word.restored': { en: '{auditor}, {at}: there again, whole', zh: '{auditor}，{at}：已完整恢复' },
  'word.missing': { en: '{auditor}, {at}: not there', zh: '{auditor}，{at}：不存在' },
  'word.altered': { en: '{auditor}, {at}: altered', zh: '{auditor}，{at}：已被改动' },
  issued: {
    en: 'record {record} is on chain (block {height})',
    zh: '病历 {record} 已上链（区块 {height}）',
  },
  requested: {
    en: 'request sent; it waits in the patient’s inbox',
    zh: '请求已发送，等待患者处理',
  },
  inboxEmpty: { en: 'nobody asks', zh: '没有新的请求' },
  granted: {
    en: 'grant {grant} is active: {acknowledged} of {holders} nodes hold shares, {threshold} are needed',
    zh: '授权 {grant} 已生效：{holders} 个节点中 {acknowledged} 个持有份额，需要 {threshold} 个',
  },
  regulatorNamed: { en: 'the regulator’s node was named: {why}', zh: '已指定监管节点：{why}' },
  undelivered: {
    en: 'not delivered yet, kept here and sent when grants are next listed: {nodes}',
    zh: '尚未送达（已保存，下次运行时发送）：{nodes}',
  },
  nothingFound: { en: 'nothing found', zh: '没有找到' },
  opened: {
    en: 'opened; written by {author}; shares served by {nodes}',
    zh: '已打开；书写者 {author}；份额来自 {nodes}',
  },
  copyKept: { en: 'sealed copy written to {file}', zh: '密文副本已写入 {file}' },
  openedOwn: { en: 'opened; written by {author}', zh: '已打开；书写者 {author}' },
  revoked: { en: 'grant {grant} is revoked', zh: '授权 {grant} 已撤销' },
  narrowed: { en: 'grant {grant} is narrowed', zh: '授权 {grant} 已缩小范围' },
  nobodyLooked: { en: 'nobody opened anything', zh: '没有人查看过' },
  recovered: {
    en: 'recovered {visits} visits, {records} records, {grants} grants',
    zh: '已恢复 {visits} 次就诊、{records} 份病历、{grants} 项授权',
  },
  receiptWritten: { en: 'receipt written to {file}', zh: '回执已写入 {file}' },
  receiptHolds: {
    en: 'the receipt holds: {type} {outcome} in block {height}, signed by {signers} of {validators}',
    zh: '回执有效：{type} {outcome}，区块 {height}，{validators} 个验证者中 {signers} 个签名',
  },
  trustGenesis: {
    en: 'believed from: the validators of the genesis document, {time}',
    zh: '信任起点：创世文件中的验证者，{time}',
  },
  trustCheckpoint: {
    en: 'believed from: the regulator’s checkpoint of block {height}, {time}',
    zh: '信任起点：监管中心对区块 {height} 的检查点，{time}',
  },
  trustOld: {
    en: 'the proof is more than 14 days later than that: an anchor with a newer checkpoint, or asking the chain, makes it certain',
    zh: '该证明比信任起点晚 14 天以上：请使用带有更新检查点的信任锚，或联网核对',
  },
  anchorWritten: { en: 'trust anchor written to {file}', zh: '信任锚已写入 {file}' },
  anchorOf: {
    en: 'chain {chain}, regulator {key}: compare both over another channel',
    zh: '链 {chain}，监管中心 {key}：请通过其他渠道核对',
  },
  receiptFails: { en: 'the receipt does not hold: {code}', zh: '回执无效：{code}' },
  acknowledged: { en: 'record {record} acknowledged', zh: '病历 {record} 已确认' },
  objected: { en: 'objection to record {record} is on chain', zh: '对病历 {record} 的异议已上链' },
  grantReceived: { en: 'grant {grant} received', zh: '已收到授权 {grant}' },
  erased: { en: 'grant {grant} erased from this keyring', zh: '授权 {grant} 已从密钥环删除' },
  nodeUp: { en: '{name}: height {height}, {role}', zh: '{name}：高度 {height}，{role}' },
  nodeDown: { en: '{name}: does not answer', zh: '{name}：没有应答' },
  passphrase: { en: 'passphrase: ', zh: '口令：' },
  // what to do next
  nextUsage: { en: 'run `yilian help` for the commands', zh: '运行 `yilian help` 查看命令' },
  nextConnect: {
    en: 'run `yilian connect URL|FILE` first',
    zh: '请先运行 `yilian connect URL|FILE`',
  },
  nextConsortium: {
    en: 'name the page of a demonstration, or the consortium.json that `yilian network init` wrote',
    zh: '请给出演示页面的地址，或 `yilian network init` 生成的 consortium.json',
  },
  nextKeys: {
    en: 'run `yilian keys create` first, or name the keyring by --as',
    zh: '请先运行 `yilian keys create`，或用 --as 指定密钥环',
  },
  nextEnrol: {
    en: 'run `yilian enrol --secret …` first',
    zh: '请先运行 `yilian enrol --secret …`',
  },
  nextPassphrase: {
    en: 'set YILIAN_PASSPHRASE or type it when asked',
    zh: '请设置 YILIAN_PASSPHRASE 或在提示时输入',
  },
} as const;

export type MessageName = keyof typeof OWN_MESSAGES | UsageMessageName;

const MESSAGES: Readonly<Record<MessageName, Readonly<Record<Language, string>>>> = {
  ...OWN_MESSAGES,
  ...USAGE_MESSAGES,
};

/** The message in `language`, its `{names}` replaced. */
export function say(
  language: Language,
  name: MessageName,
  values: Readonly<Record<string, string | number | bigint>> = {},
): string {
  return MESSAGES[name][language].replace(/\{(\w+)\}/g, (whole, key: string) =>
    values[key] === undefined ? whole : String(values[key]),
  );
}

/** Every name, for the test that both languages say the same things. */
export const MESSAGE_NAMES: readonly MessageName[] = Object.keys(MESSAGES) as MessageName[];
