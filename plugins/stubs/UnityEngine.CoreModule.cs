// Stub: the members of UnityEngine.CoreModule that the plugins use, as Il2CppInterop gives them.
using System;
using Il2CppInterop.Runtime.InteropTypes.Arrays;

namespace UnityEngine
{
    public struct Vector2
    {
        public float x, y;

        public Vector2(float x, float y) => throw null!;
    }

    public struct Vector3
    {
        public float x, y, z;

        public Vector3(float x, float y, float z) => throw null!;

        public static Vector3 zero => throw null!;

        public static implicit operator Vector2(Vector3 v) => throw null!;
    }

    public class Object : Il2CppSystem.Object
    {
        public Object(IntPtr pointer) : base(pointer) => throw null!;

        protected Object() => throw null!;

        public string name => throw null!;

        public int GetInstanceID() => throw null!;

        public static void DontDestroyOnLoad(Object target) => throw null!;

        public static Il2CppReferenceArray<Object> FindObjectsOfType(Il2CppSystem.Type type) => throw null!;

        public static bool operator ==(Object? a, Object? b) => throw null!;

        public static bool operator !=(Object? a, Object? b) => throw null!;

        public override bool Equals(object? other) => throw null!;

        public override int GetHashCode() => throw null!;
    }

    public class Component : Object
    {
        public Component(IntPtr pointer) : base(pointer) => throw null!;

        protected Component() => throw null!;

        public Transform transform => throw null!;

        public GameObject gameObject => throw null!;

        public T GetComponent<T>() => throw null!;
    }

    public class Transform : Component
    {
        public Vector3 position => throw null!;

        public Vector3 eulerAngles => throw null!;

        public Transform parent => throw null!;
    }

    public class RectTransform : Transform
    {
        public void GetWorldCorners(Il2CppStructArray<Vector3> corners) => throw null!;
    }

    public class Behaviour : Component
    {
        public Behaviour(IntPtr pointer) : base(pointer) => throw null!;

        protected Behaviour() => throw null!;
    }

    public class Coroutine : Il2CppSystem.Object
    {
    }

    public class WaitForEndOfFrame : Il2CppSystem.Object
    {
        public WaitForEndOfFrame() => throw null!;
    }

    public class MonoBehaviour : Behaviour
    {
        public MonoBehaviour(IntPtr pointer) : base(pointer) => throw null!;

        protected MonoBehaviour() => throw null!;
    }

    public class ScriptableObject : Object
    {
    }

    public class GameObject : Object
    {
        public bool activeInHierarchy => throw null!;
    }

    public class Camera : Behaviour
    {
        public RenderTexture? targetTexture
        {
            get => throw null!;
            set => throw null!;
        }

        public void Render() => throw null!;
    }

    public class Rigidbody : Component
    {
        public Vector3 velocity => throw null!;
    }

    public static class Time
    {
        public static float unscaledTime => throw null!;

        public static float unscaledDeltaTime => throw null!;

        public static float fixedDeltaTime
        {
            get => throw null!;
            set => throw null!;
        }

        public static float captureDeltaTime
        {
            get => throw null!;
            set => throw null!;
        }

        public static float timeScale
        {
            get => throw null!;
            set => throw null!;
        }
    }

    public static class Screen
    {
        public static int width => throw null!;

        public static int height => throw null!;
    }

    public static class Application
    {
        public static bool runInBackground
        {
            get => throw null!;
            set => throw null!;
        }

        public static string version => throw null!;
    }

    public enum CursorLockMode
    {
        None = 0,
        Locked = 1,
        Confined = 2,
    }

    public static class Cursor
    {
        public static CursorLockMode lockState => throw null!;
    }

    public static class Random
    {
        public static void InitState(int seed) => throw null!;
    }

    public enum TextureFormat
    {
        RGB24 = 3,
        RGBA32 = 4,
    }

    public enum RenderTextureFormat
    {
        ARGB32 = 0,
    }

    public class Texture : Object
    {
        public int width => throw null!;

        public int height => throw null!;
    }

    public class RenderTexture : Texture
    {
        public RenderTexture(int width, int height, int depth, RenderTextureFormat format) => throw null!;

        public void Release() => throw null!;
    }

    public static class Graphics
    {
        public static void Blit(Texture source, RenderTexture dest) => throw null!;

        public static void Blit(Texture source, RenderTexture dest, Vector2 scale, Vector2 offset) => throw null!;
    }

    public static class SystemInfo
    {
        public static bool graphicsUVStartsAtTop => throw null!;
    }
}

namespace UnityEngine.SceneManagement
{
    public struct Scene
    {
        public string name => throw null!;
    }

    public static class SceneManager
    {
        public static Scene GetActiveScene() => throw null!;
    }
}

namespace UnityEngine.Rendering
{
    public struct AsyncGPUReadbackRequest
    {
        public bool hasError => throw null!;

        public bool done => throw null!;

        public int layerDataSize => throw null!;

        public void WaitForCompletion() => throw null!;

        public IntPtr GetDataRaw(int layer) => throw null!;
    }

    public static class AsyncGPUReadback
    {
        public static AsyncGPUReadbackRequest Request(
            Texture src, int mipIndex, TextureFormat dstFormat,
            Il2CppSystem.Action<AsyncGPUReadbackRequest>? callback = null) => throw null!;
    }
}
