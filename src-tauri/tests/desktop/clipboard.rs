//! The clipboard of a display, as a program sees it that pastes from it (ICCCM, 2).

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, Window, WindowClass};
use x11rb::rust_connection::RustConnection;
use x11rb::{COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT, CURRENT_TIME, NONE};

use crate::until;

/// A program that pastes. It has a window, which nobody sees, to be given things at.
pub(crate) struct Clipboard {
    x: RustConnection,
    window: Window,
}

impl Clipboard {
    /// That of a display.
    pub(crate) fn of(display: &str) -> Self {
        let (x, number) = x11rb::connect(Some(display)).unwrap();
        let (root, window) = (x.setup().roots[number].root, x.generate_id().unwrap());
        let (depth, class, visual) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_ONLY, COPY_FROM_PARENT);
        let plain = CreateWindowAux::new();
        x.create_window(depth, window, root, 0, 0, 1, 1, 0, class, visual, &plain).unwrap().check().unwrap();
        Self { x, window }
    }

    /// The text on it; `None` while there is none.
    pub(crate) async fn text(&self) -> Option<String> {
        let [clipboard, text, place] = ["CLIPBOARD", "UTF8_STRING", "PASTED"].map(|name| self.atom(name));
        self.x.convert_selection(self.window, clipboard, text, place, CURRENT_TIME).unwrap();
        self.x.flush().unwrap();
        let given = until("the clipboard's answer", async || {
            let event = self.x.poll_for_event().unwrap()?;
            if let Event::SelectionNotify(given) = event { Some(given) } else { None }
        })
        .await;
        if given.property == NONE {
            return None;
        }
        let given = self.x.get_property(true, self.window, place, AtomEnum::ANY, 0, u32::MAX);
        Some(String::from_utf8(given.unwrap().reply().unwrap().value).unwrap())
    }

    fn atom(&self, name: &str) -> u32 {
        self.x.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom
    }
}
