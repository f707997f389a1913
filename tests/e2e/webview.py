"""A window of WebKitGTK that WebKitWebDriver can drive, as wide or as narrow as it is asked to be.

Runs in the system's Python, which has GTK's bindings: ``python3 webview.py 390x844 FINDINGS``. What goes wrong in its
pages is written to the file FINDINGS, a line each.
"""

import sys
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import Gtk, WebKit2  # type: ignore[import-not-found]  # noqa: E402

#: In every frame, before its own scripts.
TELL = """(() => {
  const tell = (text) => window.webkit.messageHandlers.found.postMessage(String(text).replaceAll("\\n", " "));
  const { error } = console;
  console.error = (...words) => { tell(`console: ${words.join(" ")}`); error.apply(console, words); };
  addEventListener("error", (event) => {
    if (event.target === window) tell(`page error: ${event.message}`);
    else tell(`did not load: ${event.target.src ?? event.target.href}`);
  }, true);
  addEventListener("unhandledrejection", ({ reason }) => tell(`page error: ${reason}`));
  addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
    tell(`CSP: ${effectiveDirective} blocks ${blockedURI} at ${sourceFile}:${lineNumber}`);
  }, true);
})();"""


def main(size: str, findings: str) -> None:
    """Wait for the driver, and open what it asks for."""
    width, height = map(int, size.split("x"))
    context = WebKit2.WebContext.new_ephemeral()
    context.set_automation_allowed(True)

    def found(_: Any, message: Any) -> None:
        with open(findings, "a", encoding="utf-8") as file:
            file.write(message.get_js_value().to_string() + "\n")

    def opened(_: Any) -> Any:
        content = WebKit2.UserContentManager()
        content.register_script_message_handler("found")
        content.connect("script-message-received::found", found)
        everywhere, first = WebKit2.UserContentInjectedFrames.ALL_FRAMES, WebKit2.UserScriptInjectionTime.START
        content.add_script(WebKit2.UserScript.new(TELL, everywhere, first, None, None))
        settings = WebKit2.Settings(enable_page_cache=True)
        view = WebKit2.WebView(
            web_context=context, is_controlled_by_automation=True, settings=settings, user_content_manager=content
        )
        window = Gtk.Window(default_width=width, default_height=height)
        window.add(view)
        window.show_all()
        window.present()
        return view

    def started(_: Any, session: Any) -> None:
        session.connect("create-web-view", opened)

    context.connect("automation-started", started)
    Gtk.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
