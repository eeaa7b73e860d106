//! What a person can do about it, where neither the catalog nor the reason of a dead letter says so.
//!
//! All of these sentences stand here, so that a test can tell whether the dashboard has each in Chinese.

macro_rules! cures {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every one; `{name}` stands for a value.
        pub const ALL: &[&str] = &[$($text),*];
    };
}

cures! {
    /// The app stands still, and the platform's code says no more.
    MEND = "fix the cause, then `paceline resume`";
    /// A person lets an app stand still.
    BY_HAND = "`paceline resume` when the reason is gone";
    /// The jobs of a lane die one after the other of one code. `{code}` is an option, or nothing.
    ALWAYS_FAILS = "{n} jobs in a row are dead letters of this code: {cure}; then `paceline resume {app} --method {method}`, and for those `paceline dead redrive --app {app} --method {method}{code}`";
    /// For [`ALWAYS_FAILS`], of a code that has no cure.
    CAUSE = "find and fix the cause";
    /// Something between answered, and not the platform.
    BETWEEN = "check base_url in the settings and any proxy or gateway between; then `paceline resume`";
    /// Something between refused this one request.
    REFUSED_BETWEEN = "the request itself was refused before the platform saw it: see whether it is too large or holds characters that a proxy between refuses";
    /// A parameter would lead the call to another address.
    LEADS_ELSEWHERE = "nothing was sent: find the object's real id in the platform, and change or delete it there";
    /// A listing is refused, and it has a cure or none, and needs.
    NEEDS = "{cure} ({method} needs: {needs})";
    /// See [`NEEDS`].
    MEND_NEEDS = "fix it, then `paceline resume`; {method} needs: {needs}";
    /// The platform cannot be reached.
    BY_ITSELF = "it is tried again by itself; if it lasts, check base_url and the network";
    /// Another program uses the quota.
    SHARE = "find the other program, or set a part aside for it with `share` in [apps.{app}]";
    /// Nobody knows whether a call was applied.
    RESOLVE = "look in the platform whether it was created, then `paceline resolve ID --succeeded KEY`, `--retry` or `--dead`";
    /// A held job without a cure of its own.
    LOOK = "look in the platform, then `paceline resolve`";
    /// A look-up is refused for good.
    LOOK_UP_AGAIN = "{cure}; then `paceline resolve ID --look-up`, or look in the platform and resolve it with `--succeeded KEY`, `--retry` or `--dead`";
    /// A look-up whose refusal has no cure.
    SEE_METHOD = "see `paceline methods show {method}`";
    /// The worker stopped while a call was in flight.
    RECOVERED = "nothing: it is looked up, or parked where no look-up exists";
    /// The object was deleted, and somebody wants it after all.
    CREATE_ANEW = "run its file again, or publish it again, to create it anew";
    /// Nobody works the ledger.
    START = "start `paceline work`, or `paceline run FILE` for a file's batch";
    /// The settings have lost the job's app or method.
    PUT_BACK = "put [apps.{app}] and the method's file back, or `paceline jobs cancel` it";
}

/// A cure with its values.
pub fn with(cure: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(cure.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
