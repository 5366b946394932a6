// Stand-in for UnityEngine's other modules that the plugins use (screen capture, old input, UI's rectangles).
namespace UnityEngine
{
    public static class ScreenCapture
    {
        /// <summary>Draws the fake screen: RGBA of a point, x from the left and y from the top, both 0…1.</summary>
        public static System.Func<float, float, (byte R, byte G, byte B)> Screen { get; set; } = (_, _) => (0, 0, 0);

        /// <summary>Rows as a readback gives them: bottom-up, or top-down where coordinates start at the top.</summary>
        public static void CaptureScreenshotIntoRenderTexture(RenderTexture renderTexture)
        {
            var (screen, width, height) = (Screen, renderTexture.width, renderTexture.height);
            var isTopFirst = SystemInfo.graphicsUVStartsAtTop;
            renderTexture.Drawn = (x, row) =>
                screen((x + 0.5f) / width, ((isTopFirst ? row : height - 1 - row) + 0.5f) / height);
        }
    }

    public static class Input
    {
        public static bool Clicked { get; set; }

        public static bool GetMouseButtonDown(int button) => button == 0 && Clicked;

        public static Vector3 mousePosition { get; set; }
    }

    public enum RenderMode
    {
        ScreenSpaceOverlay = 0,
        ScreenSpaceCamera = 1,
        WorldSpace = 2,
    }

    public class Canvas : Behaviour
    {
        public Canvas rootCanvas => this;

        public RenderMode renderMode { get; set; }

        public Camera worldCamera { get; set; } = null!;
    }

    public static class RectTransformUtility
    {
        public static Vector2 WorldToScreenPoint(Camera? camera, Vector3 worldPoint) => new(worldPoint.x, worldPoint.y);
    }
}

namespace UnityEngine.Events
{
    public class UnityEvent : Il2CppSystem.Object
    {
        public System.Action? Happened;

        public void Invoke() => Happened?.Invoke();
    }
}
