"""Schemes of addresses: which may be an app of the merchant's, and which already are somebody else's.

No list of those is ever complete, so a merchant registers its own, and then nothing else is taken. For one that has
registered none, the lists here are a floor: what a browser runs or reads itself, and what a system hands to a program
that most devices have. Source: RFC 3986, 3.1; RFC 7595; contract 6.2; ``docs/security.md``, "Pages".
"""

import re
from collections.abc import Iterable

LONGEST = 100

#: Schemes behind which a browser finds a script, a file, its own insides, or another address.
OF_THE_BROWSER = frozenset(
    """
    about android-app applescript behavior blob brave cdl chrome chrome-devtools chrome-error chrome-extension
    chrome-native chrome-search chrome-untrusted content data devtools disk dns edge ecmascript feed file filesystem
    firefox ftp ftps gopher help hcp intent its jar javascript jscript livescript local mailto mhtml mk mocha
    moz-extension
    moz-icon moz-page-thumb ms-appx ms-appx-web ms-browser-extension ms-help ms-its ms-msdt ms-officecmd opera page-icon
    pcast res resource safari-extension safari-web-extension search search-ms shell smb tel sms telnet vbs vbscript
    view-source vivaldi web-extension webkit-fake-url ws wss wyciwyg x-javascript x-jscript x-vbscript
    """.split()  # noqa: SIM905
)
#: What systems and common programs answer to: they call, write, install, open files and other addresses, run commands.
OF_OTHERS = frozenset(
    """
    http https shttp

    calshow callto facetime facetime-audio facetime-group geo im imap imessage irc irc6 ircs maps mmms mms mmsto
    news nntp pop pres sip sips skype smsto snews telprompt webcal webcals xmpp

    afp cifs dav davs git hdfs ldap ldaps nfs rdp rsync rtmp rtsp scp sftp spice ssh svn tftp vnc webdav

    app-prefs app-settings app-store appstore computer control diskdriveinfo dsquery help-viewer ie.http irpc
    macappstore macappstores market munki onenote onenote-cmd play powerpoint prefs ptt read rlogin settings shortcuts
    steam systempreferences tn3270 wallet word workflow excel access infopath visio wtai wpkg

    acrobat adobe adiumxtra bitcoin bitcoincash bluestacks chatgpt cursor discord dropbox ed2k epic ethereum evernote
    fb fb-messenger fido fuze-office google-chrome gtalk ibooks icloud idea itunes jabber jetbrains kakaolink kakaotalk
    lastfm lightning line magnet monero mvim netbeans notion obsidian openid openid-vc openid4vp origin otpauth
    otpauth-migration passkey photos-redirect podcasts putty riot sgnl signal slack sourcetree spotify sublime teams
    textmate tg telegram thunder tor txmt u2f uplay upi viber vlc vmrc vscode vscode-insiders vscodium warp webauthn
    webex wechat weixin whatsapp winscp wmp zed zoommtg zoomphonecall zoomus zune
    """.split()  # noqa: SIM905
)
#: Families of them, by how their names begin.
_FAMILIES = (
    "android-", "apple-", "chrome-", "com.android.", "com.apple.", "com.microsoft.", "edge-", "facetime", "firefox-",
    "googlechrome", "intent.", "itms", "microsoft", "moz-", "ms-", "ms.", "msteams", "opera-", "safari-", "search-",
    "view-", "vscode", "web+", "webkit", "windows-", "windows.", "x-",
)  # fmt: skip
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")
#: As an app's own address looks behind its scheme: a host, or a plain path. No further scheme, no number to be called.
_OF_AN_APP = re.compile(r"//.+|/?[A-Za-z][A-Za-z0-9/._~\-]*(?:[?#].*)?")


def may_be_an_apps(scheme: str) -> bool:
    """Whether a scheme, in small letters, can be an app's of a merchant's own."""
    return (
        len(scheme) <= LONGEST
        and _SCHEME.fullmatch(scheme) is not None
        and scheme not in OF_THE_BROWSER
        and scheme not in OF_OTHERS
        and not scheme.startswith(_FAMILIES)
    )


def looks_like_an_apps(scheme: str, rest: str) -> bool:
    """Whether an address can be that of an app nobody has registered: ``jp.shop.app:done`` or ``shop://done``."""
    return may_be_an_apps(scheme) and ("." in scheme or _OF_AN_APP.fullmatch(rest) is not None)


def registered(schemes: Iterable[str]) -> list[str]:
    """Of a merchant's schemes those that can be an app's, whatever stands in its row."""
    return [scheme for scheme in schemes if may_be_an_apps(scheme)]
