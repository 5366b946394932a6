// BonkLink's door into the game: configuration and wiring. Everything else is in the parts.
using BepInEx;
using BepInEx.Unity.IL2CPP;
using Il2CppInterop.Runtime.Injection;

namespace BonkLink;

[BepInPlugin(Id, "BonkLink", Version)]
public sealed class Plugin : BasePlugin
{
    public const string Id = "com.metabonk.bonklink", Version = "1.0.0";
    private Parts? _parts;

    public override void Load()
    {
        Guarded.Warn = text => Log.LogWarning(text);
        var settings = new PluginSettings(Config, text => Log.LogInfo(text));
        _parts = new Parts(settings, text => Log.LogInfo(text));
        ClassInjector.RegisterTypeInIl2Cpp<Driver>();
        Driver.Parts = _parts;
        AddComponent<Driver>();
        _parts.Start();
    }

    public override bool Unload()
    {
        _parts?.Dispose();
        return true;
    }
}
