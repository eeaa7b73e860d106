//! Why no connection came about.

use crate::{Cure, messages};

messages! {
    /// Why no connection to the platform came about; `words` are those of the operating system or of TLS.
    pub enum Connect {
        UnknownIssuer { words: String } = "{words}", "证书由本机不认识的机构签发（{words}）";
        WrongName { words: String } = "{words}", "证书是给另一个名称的（{words}）";
        CertificateDates { words: String } = "{words}", "证书不在有效期内（{words}）";
        BadCertificate { words: String } = "{words}", "证书有问题（{words}）";
        /// Those who bring no certificate are not let in.
        CertificateWanted { words: String } = "{words}", "对方要求出示证书（{words}）";
        NoTls { words: String } = "{words}", "该端口不使用 TLS（{words}）";
        NoAddress { words: String } = "{words}", "找不到该名称的地址（{words}）";
        ConnectionRefused { words: String } = "{words}", "连接被拒绝（{words}）";
        NoWay { words: String } = "{words}", "{words}";
    }
}

impl Connect {
    /// What to do; `is_proxy` where a proxy was to be reached, and not the platform.
    pub fn cure(&self, is_proxy: bool) -> Cure {
        match self {
            Self::UnknownIssuer { .. } => Cure::TrustIssuer,
            Self::WrongName { .. } => Cure::CorrectName,
            Self::CertificateDates { .. } => Cure::CompareClock,
            Self::BadCertificate { .. } => Cure::CorrectCertificate,
            // Names, ports and refusals are the proxy's then: it is the only one that was asked.
            Self::NoTls { .. } | Self::NoAddress { .. } | Self::ConnectionRefused { .. } | Self::NoWay { .. }
                if is_proxy =>
            {
                Cure::CorrectProxy
            }
            Self::NoTls { .. } => Cure::CorrectPort,
            Self::NoAddress { .. } => Cure::CorrectHost,
            Self::ConnectionRefused { .. } => Cure::NothingListens,
            Self::CertificateWanted { .. } | Self::NoWay { .. } => Cure::CheckWay,
        }
    }
}
