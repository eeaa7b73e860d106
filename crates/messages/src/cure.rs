//! What a person can do.

use crate::{Bilingual, messages};

messages! {
    /// What a person can do.
    pub enum Cure {
        /// What the catalog says of the platform's code.
        Advice { advice: Bilingual } = "{advice}", "{advice}";
        /// As an older ledger has it.
        Older { text: String } = "{text}", "{text}";

        SendOneObject = "send one JSON object with id, method and app; see docs/publishing.md", "发送一个带 id、method、app 的 JSON 对象；见 docs/zh-CN/publishing.md";
        UseListedMethod = "use a method that `paceline methods list` shows", "改用 `paceline methods list` 列出的接口";
        AddApp = "add [apps.<name>] to the settings, or correct the job's app", "在设置里加上 [apps.<名称>]，或修改任务的 app";
        CorrectFields = "correct the named fields and publish the job again under the same id", "修改列出的字段，用同一个 id 重新发布";
        UseNewId = "publish the changed job under a new id", "用新的 id 发布改动后的任务";
        CorrectAndRedrive = "correct what the platform names with `paceline dead edit`, or arrange it there, then `paceline dead redrive`", "用 `paceline dead edit` 修改平台指出的内容，或在平台上处理好，然后 `paceline dead redrive`";
        WaitAndRedrive = "wait until the platform is well again, then `paceline dead redrive`", "等平台恢复，然后 `paceline dead redrive`";
        GiveLaterTime = "give it a later time with `paceline dead edit --redrive`, or publish it with one under a new id", "用 `paceline dead edit --redrive` 改晚时间，或改晚后用新的 id 发布";
        LookBeforePublishing = "look in the platform whether it was created before publishing it again", "再次发布之前，先到平台上看是否已经创建";
        RedriveChain = "fix the job that it waited for, then `paceline dead redrive --with-dependents` for that one", "先处理好它所等待的任务，再对那个任务执行 `paceline dead redrive --with-dependents`";
        PublishIt { id: String } = "publish the job {id:?}, or cancel this one", "发布任务 {id:?}，或取消本任务";
        PutToWorkAgain { id: String } = "redrive the job {id:?} or publish it again, or cancel this one", "重投或重新发布任务 {id:?}，或取消本任务";
        PublishAgain = "publish it again if it is wanted after all", "如果还需要，重新发布";

        FixCause = "fix the cause", "排除原因";
        FindCause = "find and fix the cause", "找出并排除原因";
        ReasonGone = "wait until the reason is gone", "等原因消除";
        AlwaysFails { in_a_row: u32, fix: Box<Cure> } = "{in_a_row} jobs in a row are dead letters of this code: {fix}", "连续 {in_a_row} 个任务因这个错误码成为死信：{fix}";
        ThenResume { fix: Box<Cure>, resume: String } = "{fix}; then `{resume}`", "{fix}；然后 `{resume}`";
        ResumeWhenGone { resume: String } = "`{resume}` when the reason is gone", "原因消除后 `{resume}`";
        ThenResumeAndRedrive { fix: Box<Cure>, resume: String, redrive: String } = "{fix}; then `{resume}`, and for those `{redrive}`", "{fix}；然后 `{resume}`，那些死信用 `{redrive}` 重投";
        CheckBetween = "check base_url in the settings and any proxy or gateway between", "检查设置里的 base_url 和中间的代理、网关";
        RefusedBetween = "the request itself was refused before the platform saw it: see whether it is too large or holds characters that a proxy between refuses", "请求还没到平台就被拒绝了：看它是否太大，或含有中间的代理不接受的字符";
        FindRealId = "nothing was sent: find the object's real id in the platform, and change or delete it there", "没有发出任何请求：到平台上找到对象真正的 ID，在那里修改或删除";
        FixAndGrant { fix: Box<Cure>, method: String, needs: String } = "{fix} ({method} needs: {needs})", "{fix}（{method} 需要：{needs}）";
        Grant { method: String, needs: String } = "fix it; {method} needs: {needs}", "处理好；{method} 需要：{needs}";
        TriedAgain = "it is tried again by itself; if it lasts, check base_url and the network", "会自动再试；如果持续不好，检查 base_url 和网络";
        Share { app: String } = "find the other program, or set a part aside for it with `share` in [apps.{app}]", "找出在用同一个应用的别的程序，或在 [apps.{app}] 里用 `share` 给它留出一部分";

        Resolve = "look in the platform whether it was created, then `paceline resolve ID --succeeded KEY`, `--retry` or `--dead`", "到平台上看是否已经创建，然后 `paceline resolve ID --succeeded KEY`、`--retry` 或 `--dead`";
        ResolveHeld = "look in the platform, then `paceline resolve`", "到平台上看，然后 `paceline resolve`";
        LookUpAgain { fix: Box<Cure> } = "{fix}; then `paceline resolve ID --look-up`, or look in the platform and resolve it with `--succeeded KEY`, `--retry` or `--dead`", "{fix}；然后 `paceline resolve ID --look-up`，或到平台上看过再用 `--succeeded KEY`、`--retry` 或 `--dead` 处理";
        SeeMethod { method: String } = "see `paceline methods show {method}`", "见 `paceline methods show {method}`";
        NothingLookedUp = "nothing: it is looked up, or parked where no look-up exists", "不用管：会去查证，无法查证的转为待人工处理";
        ChooseOthers = "what else it asked for is there: choose others in place of these (`paceline dead edit`), then `paceline dead redrive`", "其余要求的都已生效：用 `paceline dead edit` 换成别的，然后 `paceline dead redrive`";
        CreateAnew = "run its file again, or publish it again, to create it anew", "再运行一遍它的文件，或重新发布，就会重新创建";
        StartWorker = "start `paceline work`, or `paceline run FILE` for a file's batch", "启动 `paceline work`；文件的批次用 `paceline run FILE`";
        PutBack { app: String } = "put [apps.{app}] and the method's file back, or `paceline jobs cancel` it", "把 [apps.{app}] 和接口的文件放回去，或用 `paceline jobs cancel` 取消";

        TrustIssuer = "its certificate comes from an authority that this machine does not know: name that authority's (or the proxy's) PEM file in http.ca_file", "它的证书由本机不认识的机构签发：在 http.ca_file 里写上该机构（或代理）的 PEM 文件";
        CorrectName = "its certificate is for another name: correct base_url, or the proxy or name server between", "它的证书是给另一个名称的：修改 base_url，或中间的代理、DNS";
        CompareClock = "compare this machine's clock with the certificate's dates; if the clock is right, have the certificate renewed", "把本机时钟与证书有效期比较；时钟没错就请对方更新证书";
        CorrectCertificate = "have its certificate corrected, or correct base_url", "请对方修正证书，或修改 base_url";
        CorrectProxy = "correct the proxy's address in that variable, ask the proxy's administrator, or name the platform in NO_PROXY if it needs none", "修改该变量里的代理地址，询问代理的管理员；不需要代理时把平台写进 NO_PROXY";
        CorrectPort = "that port speaks no TLS: correct the port in base_url", "该端口不使用 TLS：修改 base_url 里的端口";
        CorrectHost = "its name has no address here: correct base_url, or this machine's name server", "在本机解析不到它的地址：修改 base_url，或本机的 DNS";
        NothingListens = "nothing listens there: correct base_url, or look at the firewall or proxy between", "那里没有服务在监听：修改 base_url，或检查中间的防火墙、代理";
        CheckWay = "look at base_url, the firewall, and the proxy (HTTPS_PROXY) between", "检查 base_url、防火墙和中间的代理（HTTPS_PROXY）";
    }
}
