// Runs before the first paint, so that the page never flashes in the wrong colours. Not a module for that reason.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("paceline.theme");
  } catch {
    // Storage may be switched off; the system's theme it is.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
