/** What the command says, in English and Chinese. Data (ids, codes) is the same in both. */
export type Language = 'en' | 'zh';

const MESSAGES = {
  connected: ['connected to {chain} with {nodes} nodes', '已连接 {chain}，共 {nodes} 个节点'],
  keysMade: ['keys for {name} written to {file}', '{name} 的密钥已写入 {file}'],
  kitWritten: [
    'recovery kit written to {file}: whoever has it is you; print it and delete the file',
    '恢复包已写入 {file}：持有它的人即等于您本人；请打印后删除文件',
  ],
  enrolled: ['{name} is enrolled', '{name} 已注册'],
  visitReady: ['visit code for {hospital} (show it at the desk):', '{hospital} 的就诊码（在窗口出示）：'],
  handleReady: ['handle for a request (give it to the doctor):', '请求地址（交给医生）：'],
  issued: ['record {record} is on chain (block {height})', '病历 {record} 已上链（区块 {height}）'],
  requested: ['request sent; it waits in the patient’s inbox', '请求已发送，等待患者处理'],
  inboxEmpty: ['nobody asks', '没有新的请求'],
  granted: [
    'grant {grant} is active: {acknowledged} of {holders} nodes hold shares, {threshold} are needed',
    '授权 {grant} 已生效：{holders} 个节点中 {acknowledged} 个持有份额，需要 {threshold} 个',
  ],
  regulatorNamed: ['the regulator’s node was named: {why}', '已指定监管节点：{why}'],
  nothingFound: ['nothing found', '没有找到'],
  opened: ['opened; written by {author}; shares served by {nodes}', '已打开；书写者 {author}；份额来自 {nodes}'],
  openedOwn: ['opened; written by {author}', '已打开；书写者 {author}'],
  revoked: ['grant {grant} is revoked', '授权 {grant} 已撤销'],
  narrowed: ['grant {grant} is narrowed', '授权 {grant} 已缩小范围'],
  nobodyLooked: ['nobody opened anything', '没有人查看过'],
  recovered: ['recovered {visits} visits, {records} records, {grants} grants', '已恢复 {visits} 次就诊、{records} 份病历、{grants} 项授权'],
  receiptWritten: ['receipt written to {file}', '回执已写入 {file}'],
  receiptHolds: ['the receipt holds: {type} {outcome} in block {height}, signed by {signers} of {validators}', '回执有效：{type} {outcome}，区块 {height}，{validators} 个验证者中 {signers} 个签名'],
  receiptFails: ['the receipt does not hold: {code}', '回执无效：{code}'],
  acknowledged: ['record {record} acknowledged', '病历 {record} 已确认'],
  objected: ['objection to record {record} is on chain', '对病历 {record} 的异议已上链'],
  grantReceived: ['grant {grant} received', '已收到授权 {grant}'],
  erased: ['grant {grant} erased from this keyring', '授权 {grant} 已从密钥环删除'],
  nodeUp: ['{name}: height {height}, {role}', '{name}：高度 {height}，{role}'],
  nodeDown: ['{name}: does not answer', '{name}：没有应答'],
  passphrase: ['passphrase: ', '口令：'],
  // what to do next
  nextUsage: ['run `yilian help` for the commands', '运行 `yilian help` 查看命令'],
  nextConnect: ['run `yilian connect URL` first', '请先运行 `yilian connect URL`'],
  nextKeys: ['run `yilian keys create` first, or name the keyring by --as', '请先运行 `yilian keys create`，或用 --as 指定密钥环'],
  nextEnrol: ['run `yilian enrol --secret …` first', '请先运行 `yilian enrol --secret …`'],
  nextNetwork: ['check the connection with `yilian status` and try again', '请用 `yilian status` 检查连接后重试'],
  nextVerification: [
    'do not use the answer; another node may tell the truth; report the named node to the regulator',
    '请勿使用该结果；其他节点可能给出正确答案；请向监管方报告该节点',
  ],
  nextRejected: ['docs/spec/transactions.md explains the code', 'docs/spec/transactions.md 解释了该代码'],
  nextGrant: ['ask the patient for a (new) grant', '请向患者申请（新的）授权'],
  nextPassphrase: ['set YILIAN_PASSPHRASE or type it when asked', '请设置 YILIAN_PASSPHRASE 或在提示时输入'],
} as const satisfies Record<string, readonly [string, string]>;

export type MessageName = keyof typeof MESSAGES;

/** The message in `language`, its `{names}` replaced. */
export function say(
  language: Language,
  name: MessageName,
  values: Readonly<Record<string, string | number | bigint>> = {},
): string {
  const [en, zh] = MESSAGES[name];
  return (language === 'zh' ? zh : en).replace(/\{(\w+)\}/g, (whole, key: string) =>
    values[key] === undefined ? whole : String(values[key]),
  );
}

/** Every name, for the test that both languages say the same things. */
export const MESSAGE_NAMES: readonly MessageName[] = Object.keys(MESSAGES) as MessageName[];
